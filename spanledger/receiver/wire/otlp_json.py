"""OTLP/JSON to items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Item, Signal
from spanledger.model.span import Event, LogRecord, Resource, Scope, Span, Value
from spanledger.receiver.wire import checks, json_text
from spanledger.receiver.wire.group import Group
from spanledger.receiver.wire.json_metrics import metric_points
from spanledger.receiver.wire.json_values import (
    Members,
    Values,
    elements,
    enumeration,
    enumeration_names,
    field,
    identifier,
    kind_of,
    members,
    text,
    time,
    unsigned,
)
from spanledger.receiver.wire.limits import Limits
from spanledger.receiver.wire.notes import note
from spanledger.receiver.wire.refusal import Refusals, Refused, log_label, metric_label, span_label

_NAMES: Final = {
    Signal.TRACES: ("resourceSpans", "resource_spans", "scopeSpans", "scope_spans", "spans"),
    Signal.LOGS: ("resourceLogs", "resource_logs", "scopeLogs", "scope_logs", "logRecords"),
    Signal.METRICS: ("resourceMetrics", "resource_metrics", "scopeMetrics", "scope_metrics", "metrics"),
}
_SPAN_KINDS: Final = enumeration_names(trace_pb2.Span.SpanKind.items(), "SPAN_KIND_")
_STATUS_CODES: Final = enumeration_names(trace_pb2.Status.StatusCode.items(), "STATUS_CODE_")
_SEVERITIES: Final = enumeration_names(logs_pb2.SeverityNumber.items(), "SEVERITY_NUMBER_")


def decode_json(signal: Signal, body: bytes, table: KeyTable, limits: Limits) -> Decoded:
    """The items of an export request. Raises `PayloadError` when the text is not one."""
    content, needs_mending = json_text.load(body, limits)
    if not isinstance(content, dict):
        raise PayloadError(f"expected a JSON object with {_NAMES[signal][0]}, found {kind_of(content)}")
    try:
        return _Request(signal, table, limits, needs_mending).decode(content)
    except Refused as problem:  # outside of all items
        raise PayloadError(str(problem)) from None


class _Request:
    def __init__(self, signal: Signal, table: KeyTable, limits: Limits, needs_mending: bool) -> None:
        self.signal = signal
        self.table = table
        self.limits = limits
        self.needs_mending = needs_mending
        self.values = Values(limits.max_depth)
        self.items: list[Item] = []
        self.refusals = Refusals()
        self.seen = 0

    def decode(self, content: Members) -> Decoded:
        groups, groups_snake, scopes, scopes_snake, items = _NAMES[self.signal]
        items_snake = "log_records" if self.signal is Signal.LOGS else items
        if field(content, groups, groups_snake) is None:
            self._check_path(content)
        for resource_group in _objects(field(content, groups, groups_snake), groups):
            resource: Resource | None = None
            repairs: list[str] = []
            for scope_group in _objects(field(resource_group, scopes, scopes_snake), scopes):
                found = elements(field(scope_group, items, items_snake), items)
                if not found:
                    continue
                self.seen += len(found)
                if self.seen > self.limits.max_items:
                    raise PayloadTooLarge(f"the request holds more than {self.limits.max_items} items; send fewer")
                if resource is None:
                    resource = self._resource(resource_group, repairs)
                scope_repairs = list(repairs)
                group = Group(resource, self._scope(scope_group, scope_repairs), scope_repairs)
                for item in found:
                    self._item(item, group)
        return Decoded(self.items, self.refusals.texts)

    def _check_path(self, content: Members) -> None:
        """A body of another signal would otherwise be a success of nothing: all its fields are unknown here."""
        for other, (groups, groups_snake, *_) in _NAMES.items():
            if other is not self.signal and field(content, groups, groups_snake) is not None:
                raise PayloadError(f"the body holds {groups}, which go to /v1/{other}; this is /v1/{self.signal}")

    def _item(self, item: Any, group: Group) -> None:
        repairs: list[str] = group.repairs
        try:
            if item.__class__ is not dict:
                raise Refused(f"expected an object, found {kind_of(item)}")
            if self.needs_mending:
                item, mended = json_text.mend(item)
                repairs = repairs + mended
            if self.signal is Signal.TRACES:
                self.items.append(self._span(item, repairs, group))
            elif self.signal is Signal.LOGS:
                self.items.append(self._log_record(item, repairs, group))
            else:
                for point in metric_points(item, group, self.values):
                    if isinstance(point, Refused):
                        self.refusals.add(metric_label(item.get("name")), str(point))
                    else:
                        self.items.append(point)
        except Refused as reason:
            self.refusals.add(self._label(item), str(reason))

    # resource and scope

    def _resource(self, group: Members, repairs: list[str]) -> Resource:
        message = self._shared(group.get("resource"), "resource", repairs)
        return Resource(self._kept(message.get("attributes"), repairs))

    def _scope(self, group: Members, repairs: list[str]) -> Scope:
        message = self._shared(group.get("scope"), "scope", repairs)
        name, version = text(message.get("name"), "scope name"), text(message.get("version"), "scope version")
        return Scope(name, version, self._kept(message.get("attributes"), repairs))

    def _shared(self, value: Any, name: str, repairs: list[str]) -> Members:
        message = members(value, name)
        if not self.needs_mending:
            return message
        copy, mended = json_text.mend(message)
        repairs.extend(mended)
        return members(copy, name)

    def _kept(self, attributes: Any, repairs: list[str]) -> dict[str, Value]:
        """Attributes of a resource or scope: one that cannot be kept must not cost all the items of the group."""
        try:
            return dict(self.values.pairs(attributes))
        except Refused:
            pass
        if isinstance(attributes, dict):
            attributes = [{"key": key, "value": value} for key, value in attributes.items()]
        kept: dict[str, Value] = {}
        for pair in elements(attributes, "attributes"):
            try:
                kept.update(self.values.pairs([pair]))
            except Refused:
                note(repairs, "bad_attribute", str(pair.get("key")) if isinstance(pair, dict) else "")
        return kept

    # items

    def _span(self, message: Members, repairs: list[str], group: Group) -> Span:
        span = self.table.span_type()
        if repairs:
            span.repairs = list(repairs)
        checks.set_ids(span, *_ids(message), identifier(field(message, "parentSpanId", "parent_span_id"), 8, "parent"))
        start = time(field(message, "startTimeUnixNano", "start_time_unix_nano"), "startTimeUnixNano")
        end = time(field(message, "endTimeUnixNano", "end_time_unix_nano"), "endTimeUnixNano")
        checks.set_times(span, start, end)
        status = members(message.get("status"), "status")
        kind = enumeration(message.get("kind"), "kind", _SPAN_KINDS)
        checks.set_kind_and_status(span, kind, enumeration(status.get("code"), "status code", _STATUS_CODES))
        span.status_message = text(status.get("message"), "status message")
        span.name = text(message.get("name"), "name")
        span.trace_state = text(field(message, "traceState", "trace_state"), "traceState")
        dropped = field(message, "droppedAttributesCount", "dropped_attributes_count")
        span.dropped_attributes = unsigned(dropped, "droppedAttributesCount")
        span.resource = group.resource
        span.scope = group.scope
        for event in _objects(message.get("events"), "events"):
            at = checks.nanoseconds(time(field(event, "timeUnixNano", "time_unix_nano"), "event timeUnixNano"))
            attributes = dict(self.values.pairs(event.get("attributes")))
            span.events.append(Event(text(event.get("name"), "event name"), at, attributes))
        for link in _objects(message.get("links"), "links"):
            checks.add_link(span, *_ids(link), dict(self.values.pairs(link.get("attributes"))))
        self.table.fill(span, self.values.pairs(message.get("attributes")))
        return span

    def _log_record(self, message: Members, repairs: list[str], group: Group) -> LogRecord:
        record = LogRecord()
        record.repairs = list(repairs)
        checks.set_log_ids(record, *_ids(message))
        at = time(field(message, "timeUnixNano", "time_unix_nano"), "timeUnixNano")
        observed = time(field(message, "observedTimeUnixNano", "observed_time_unix_nano"), "observedTimeUnixNano")
        record.time_ns, record.observed_ns = checks.nanoseconds(at), checks.nanoseconds(observed)
        severity = field(message, "severityNumber", "severity_number")
        record.severity_number = enumeration(severity, "severityNumber", _SEVERITIES)
        record.severity_text = text(field(message, "severityText", "severity_text"), "severityText")
        record.event_name = text(field(message, "eventName", "event_name"), "eventName")
        record.body = self.values.value(message.get("body"), "body")
        record.attributes = dict(self.values.pairs(message.get("attributes")))
        record.resource = group.resource
        record.scope = group.scope
        return record

    def _label(self, item: Any) -> str:
        """How to call an item whose fields may have any type."""
        if not isinstance(item, dict):
            item = {}
        trace_id, span_id = field(item, "traceId", "trace_id"), field(item, "spanId", "span_id")
        ids = ("" if trace_id is None else str(trace_id), "" if span_id is None else str(span_id))
        if self.signal is Signal.TRACES:
            return span_label(item.get("name") or "", *ids)
        if self.signal is Signal.LOGS:
            return log_label(field(item, "eventName", "event_name"), *ids)
        return metric_label(item.get("name") or "")


def _ids(message: Members) -> tuple[str, str]:
    trace_id = identifier(field(message, "traceId", "trace_id"), 16, "trace id")
    return trace_id, identifier(field(message, "spanId", "span_id"), 8, "span id")


def _objects(value: Any, name: str) -> Iterator[Members]:
    for element in elements(value, name):
        yield members(element, name)
