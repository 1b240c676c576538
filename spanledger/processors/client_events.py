"""Client events (Lunary's ingest, a gateway's request log) as processors see them: a span each, and back.

Processors know OTLP, and what they hide in spans must not come in through another door. So an event is shown to them
as a span whose attributes are its fields: objects one level deep with dots (`metadata.customer`, `request.messages`),
everything deeper as JSON text, as SDKs write messages into attributes. What they change, add or delete is changed,
added or deleted in the event; a span that they drop is an event that is dropped.

What ties events together stays whatever they do: `event`, `type`, `runId`, `parentRunId`, `appId` and `timestamp`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger.model.client_event import ClientEvent
from spanledger.model.received import Encoding
from spanledger.processors.base import Request
from spanledger.processors.values import plain, plain_map, write

Path: TypeAlias = tuple[str, ...]
Body: TypeAlias = dict[str, Any]

_KEPT: Final = (
    *("event", "type", "runId", "run_id", "parentRunId", "parent_run_id", "timestamp"),
    "appId",
)
"""Fields of a Lunary event that say what it is."""
_SECRET: Final = ("appId",)
"""Of these, those that are shown to nobody."""
_RESPONSE: Final = ("attributes", "response")
_CHUNKS: Final = "streamed_data"


class Shown:
    """Events as a request of spans. `request` is what processors change; `left` is what became of the events."""

    def __init__(self, encoding: Encoding, events: Sequence[ClientEvent], received_ns: int) -> None:
        self._encoding = encoding
        self._gateway = encoding is Encoding.GATEWAY
        self._events = events
        self._given: list[dict[str, tuple[Path, Any]]] = []
        self.request: Request = ExportTraceServiceRequest()
        for number, event in enumerate(events):
            group = self.request.resource_spans.add()
            scoped = group.scope_spans.add()
            scoped.scope.name = str(encoding)
            self._fill(scoped.spans.add(), event.body, number, received_ns)
            if self._gateway:
                for key, value in _object(event.body.get("resource")).items():
                    added = group.resource.attributes.add()
                    added.key = key
                    write(added.value, value)

    def _fill(self, span: Any, body: Body, number: int, received_ns: int) -> None:
        inner = _object(body.get("attributes")) if self._gateway else body
        id_ = inner.get("id") if self._gateway else body.get("runId", body.get("run_id"))
        parent = body.get("parentRunId", body.get("parent_run_id"))
        span.trace_id = hashlib.md5(repr(id_).encode(), usedforsecurity=False).digest()
        span.span_id = (number + 1).to_bytes(8, "big")
        if parent is not None and not self._gateway:
            span.parent_span_id = hashlib.md5(repr(parent).encode(), usedforsecurity=False).digest()[:8]
        span.kind = Span.SPAN_KIND_CLIENT if self._gateway or body.get("type") == "llm" else Span.SPAN_KIND_INTERNAL
        span.start_time_unix_nano = span.end_time_unix_nano = received_ns
        span.name = _name(body)
        given: dict[str, tuple[Path, Any]] = {}
        for path, value in _fields(body, gateway=self._gateway):
            key = ".".join(path[1:] if self._gateway and len(path) > 1 else path)
            while key in given:
                key += "'"
            added = span.attributes.add()
            added.key = key
            write(added.value, _text(value) if isinstance(value, list | dict) else value)
            given[key] = (path, plain(added.value))
        self._given.append(given)

    def left(self) -> list[ClientEvent]:
        """The events of the spans that are still there, as the spans are now."""
        found = []
        for group in self.request.resource_spans:
            resource = plain_map(group.resource.attributes)
            for scoped in group.scope_spans:
                for span in scoped.spans:
                    number = int.from_bytes(span.span_id, "big") - 1
                    if 0 <= number < len(self._events):
                        found.append(ClientEvent(self._encoding, self._body(number, span, resource)))
        return found

    def _body(self, number: int, span: Any, resource: dict[str, Any]) -> Body:
        before, given = self._events[number].body, self._given[number]
        body = _copied(before)
        kept = dict.fromkeys(given)
        added: dict[str, Any] = {}
        for key, value in plain_map(span.attributes).items():
            if key not in given:
                added[key] = value
                continue
            del kept[key]
            path, was = given[key]
            if value != was and not self._is_kept(path):
                _set(body, path, _parsed(value))
                self._distrust_chunks(body, path)
        for key in kept:  # deleted
            path, _ = given[key]
            if not self._is_kept(path):
                _unset(body, path)
                self._distrust_chunks(body, path)
        if span.name != _name(before):
            body["name"] = span.name
        if self._gateway:
            body["resource"] = resource
        else:
            added |= resource
        if added:
            holder = body.setdefault("attributes", {}) if self._gateway else body
            holder["metadata"] = {**_object(holder.get("metadata")), **added}
        return body

    def _is_kept(self, path: Path) -> bool:
        return path == ("attributes", "id") if self._gateway else len(path) == 1 and path[0] in _KEPT

    def _distrust_chunks(self, body: Body, path: Path) -> None:
        """Chunks of an answer count where they differ from the answer: what was hidden in one would come back from the
        others."""
        if self._gateway and path[:2] == _RESPONSE and path[2:] != (_CHUNKS,):
            _unset(body, (*_RESPONSE, _CHUNKS))


def _name(body: Body) -> str:
    name = body.get("name")
    return name if isinstance(name, str) else str(body.get("type") or body.get("event") or "")


def _fields(body: Body, *, gateway: bool) -> Iterator[tuple[Path, Any]]:
    """Fields as attributes; what is null says nothing."""
    for name, value in body.items():
        if name in _SECRET or value is None or (gateway and name in ("resource", "name", "timestamp")):
            continue
        if not isinstance(value, dict):
            yield (name,), value
        elif gateway and name == "attributes":
            for inner, deeper in value.items():
                yield from _one_deep((name, inner), deeper)
        else:
            yield from _one_deep((name,), value)


def _one_deep(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, dict):
        if value is not None:
            yield path, value
        return
    for name, inner in value.items():
        if inner is not None:
            yield (*path, name), inner


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _parsed(value: Any) -> Any:
    """What a processor wrote; JSON text becomes what it says, as long as that is a list or an object."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def _copied(body: Body) -> Body:
    """Deep enough that nothing below a changed field is shared."""
    return {
        name: {inner: dict(deeper) if isinstance(deeper, dict) else deeper for inner, deeper in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in body.items()
    }


def _holder(body: Body, path: Path) -> Body:
    at = body
    for name in path[:-1]:
        below = at.get(name)
        if not isinstance(below, dict):
            below = at[name] = {}
        at = below
    return at


def _set(body: Body, path: Path, value: Any) -> None:
    _holder(body, path)[path[-1]] = value


def _unset(body: Body, path: Path) -> None:
    _holder(body, path).pop(path[-1], None)


def encoded(encoding: Encoding, events: Sequence[ClientEvent]) -> bytes:
    """The body of a request that holds these events."""
    bodies = [event.body for event in events]
    return msgspec.json.encode({"events": bodies} if encoding is Encoding.LUNARY else bodies)
