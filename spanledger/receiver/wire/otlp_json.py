"""OTLP/JSON to items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Item, Signal
from spanledger.model.span import Event, LogRecord, Resource, Scope, Span, Value
from spanledger.receiver.wire import checks, json_messages, json_text
from spanledger.receiver.wire.group import Group
from spanledger.receiver.wire.json_messages import LogMessage, LogRequest, SpanMessage, TraceRequest
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
    json_text.check_size(body, limits)
    try:
        request = json_messages.typed(signal, body)
        if request is not None:
            return _Request(signal, table, limits).decode(_typed_groups(signal, request))
        content, needs_mending = json_text.load(body, limits)
        return _Request(signal, table, limits, needs_mending).decode(_groups(signal, content))
    except Refused as problem:  # outside of all items
        raise PayloadError(str(problem)) from None


@dataclass(slots=True)
class _ScopeGroup:
    scope: Any
    items: list[Any]
    """Structs of `json_messages`, or whatever JSON stands in their place."""


@dataclass(slots=True)
class _ResourceGroup:
    path: str
    resource: Any
    scopes: Iterable[_ScopeGroup]


def _typed_groups(signal: Signal, request: TraceRequest | LogRequest) -> Iterator[_ResourceGroup]:
    name = _NAMES[signal][0]
    groups: Iterable[Any] = request.groups
    for at, group in enumerate(groups):
        scopes = (_ScopeGroup(scope.scope, list(scope.items or ())) for scope in group.scopes or ())
        yield _ResourceGroup(f"{name}[{at}]", group.resource, scopes)


def _groups(signal: Signal, content: Any) -> Iterator[_ResourceGroup]:
    groups, groups_snake, *inner = _NAMES[signal]
    if not isinstance(content, dict):
        raise PayloadError(f"expected a JSON object with {groups}, found {kind_of(content)}")
    found = field(content, groups, groups_snake)
    if found is None:
        _check_path(signal, content)
    for at, element in enumerate(elements(found, groups)):
        path = f"{groups}[{at}]"
        group = members(element, path)
        yield _ResourceGroup(path, group.get("resource"), _scope_groups(path, group, *inner))


def _scope_groups(path: str, group: Members, scopes: str, scopes_snake: str, items: str) -> Iterator[_ScopeGroup]:
    items_snake = "log_records" if items == "logRecords" else items
    for at, element in enumerate(elements(field(group, scopes, scopes_snake), f"{path}.{scopes}")):
        inner = f"{path}.{scopes}[{at}]"
        scope_group = members(element, inner)
        found = elements(field(scope_group, items, items_snake), f"{inner}.{items}")
        yield _ScopeGroup(scope_group.get("scope"), found)


def _check_path(signal: Signal, content: Members) -> None:
    """A body of another signal would otherwise be a success of nothing: all its fields are unknown here."""
    for other, (groups, groups_snake, *_) in _NAMES.items():
        if other is not signal and field(content, groups, groups_snake) is not None:
            raise PayloadError(f"the body holds {groups}, which go to /v1/{other}; this is /v1/{signal}")


class _Request:
    def __init__(self, signal: Signal, table: KeyTable, limits: Limits, needs_mending: bool = False) -> None:
        self.signal = signal
        self.table = table
        self.limits = limits
        self.needs_mending = needs_mending
        self.values = Values(limits.max_depth)
        self.items: list[Item] = []
        self.refusals = Refusals()
        self.seen = 0

    def decode(self, groups: Iterable[_ResourceGroup]) -> Decoded:
        for resource_group in groups:
            resource: Resource | None = None
            repairs: list[str] = []
            for scope_group in resource_group.scopes:
                found = scope_group.items
                if not found:
                    continue
                self.seen += len(found)
                if self.seen > self.limits.max_items:
                    raise PayloadTooLarge(f"the request holds more than {self.limits.max_items} items; send fewer")
                if resource is None:
                    resource = self._resource(resource_group, repairs)
                scope_repairs = list(repairs)
                scope = self._scope(scope_group.scope, resource_group.path, scope_repairs)
                group = Group(resource, scope, scope_repairs)
                for item in found:
                    self._item(item, group)
        return Decoded(self.items, self.refusals.texts)

    def _item(self, item: Any, group: Group) -> None:
        try:
            if item.__class__ is SpanMessage:
                self.items.append(self._span(item, group.repairs, group))
            elif item.__class__ is LogMessage:
                self.items.append(self._log_record(item, group.repairs, group))
            else:
                self._any_item(item, group)
        except Refused as reason:
            self.refusals.add(self._label(item), str(reason))

    def _any_item(self, item: Any, group: Group) -> None:
        repairs: list[str] = group.repairs
        if item.__class__ is not dict:
            raise Refused(f"expected an object, found {kind_of(item)}")
        if self.needs_mending:
            item, mended = json_text.mend(item)
            repairs = repairs + mended
        if self.signal is Signal.TRACES:
            self.items.append(self._span(json_messages.of(SpanMessage, item), repairs, group))
        elif self.signal is Signal.LOGS:
            self.items.append(self._log_record(json_messages.of(LogMessage, item), repairs, group))
        else:
            for point in metric_points(item, group, self.values):
                if isinstance(point, Refused):
                    self.refusals.add(metric_label(item.get("name")), str(point))
                else:
                    self.items.append(point)

    # resource and scope

    def _resource(self, group: _ResourceGroup, repairs: list[str]) -> Resource:
        message = self._shared(group.resource, f"{group.path}.resource", repairs)
        return Resource(self._kept(message.get("attributes"), repairs))

    def _scope(self, value: Any, path: str, repairs: list[str]) -> Scope:
        message = self._shared(value, f"scope in {path}", repairs)
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

    def _span(self, message: SpanMessage, repairs: list[str], group: Group) -> Span:
        span = self.table.span_type()
        if repairs:
            span.repairs = list(repairs)
        parent = "" if message.parent_span_id is None else identifier(message.parent_span_id, 8, "parent")
        checks.set_ids(span, *_ids(message), parent)
        start = time(message.start_time_unix_nano, "startTimeUnixNano")
        checks.set_times(span, start, time(message.end_time_unix_nano, "endTimeUnixNano"))
        kind = enumeration(message.kind, "kind", _SPAN_KINDS)
        status = members(message.status, "status")
        code = enumeration(status["code"], "status code", _STATUS_CODES) if "code" in status else 0
        checks.set_kind_and_status(span, kind, code)
        if status:
            span.status_message = text(status.get("message"), "status message")
        span.name = text(message.name, "name")
        if message.trace_state:
            span.trace_state = text(message.trace_state, "traceState")
        if message.dropped_attributes_count:
            span.dropped_attributes = unsigned(message.dropped_attributes_count, "droppedAttributesCount")
        span.resource = group.resource
        span.scope = group.scope
        if message.events:
            for event in _objects(message.events, "events"):
                at = checks.nanoseconds(time(field(event, "timeUnixNano", "time_unix_nano"), "event timeUnixNano"))
                attributes = dict(self.values.pairs(event.get("attributes")))
                span.events.append(Event(text(event.get("name"), "event name"), at, attributes))
        if message.links:
            for link in _objects(message.links, "links"):
                ids = _ids(json_messages.of(SpanMessage, link))
                checks.add_link(span, *ids, dict(self.values.pairs(link.get("attributes"))))
        self.table.fill(span, self.values.pairs(message.attributes))
        return span

    def _log_record(self, message: LogMessage, repairs: list[str], group: Group) -> LogRecord:
        record = LogRecord()
        record.repairs = list(repairs)
        checks.set_log_ids(record, *_ids(message))
        record.time_ns = checks.nanoseconds(time(message.time_unix_nano, "timeUnixNano"))
        record.observed_ns = checks.nanoseconds(time(message.observed_time_unix_nano, "observedTimeUnixNano"))
        record.severity_number = enumeration(message.severity_number, "severityNumber", _SEVERITIES)
        record.severity_text = text(message.severity_text, "severityText")
        record.event_name = text(message.event_name, "eventName")
        record.body = self.values.value(message.body, "body")
        record.attributes = dict(self.values.pairs(message.attributes))
        record.resource = group.resource
        record.scope = group.scope
        return record

    def _label(self, item: Any) -> str:
        """How to call an item whose fields may have any type."""
        if isinstance(item, msgspec.Struct):
            item = msgspec.structs.asdict(item)
        elif not isinstance(item, dict):
            item = {}
        trace_id, span_id = field(item, "traceId", "trace_id"), field(item, "spanId", "span_id")
        ids = ("" if trace_id is None else str(trace_id), "" if span_id is None else str(span_id))
        if self.signal is Signal.TRACES:
            return span_label(item.get("name") or "", *ids)
        if self.signal is Signal.LOGS:
            return log_label(field(item, "eventName", "event_name"), *ids)
        return metric_label(item.get("name") or "")


def _ids(message: SpanMessage | LogMessage) -> tuple[str, str]:
    return identifier(message.trace_id, 16, "trace id"), identifier(message.span_id, 8, "span id")


def _objects(value: Any, name: str) -> Iterator[Members]:
    for at, element in enumerate(elements(value, name)):
        yield members(element, f"{name}[{at}]")
