"""What a path such as `span.attributes["a"]` reads and writes.

An `Item` is one span, log record, data point … with everything around it. Contexts nest: from a span event its span,
scope and resource can be reached, never the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.values import Value, find, plain, plain_map, put, remove, replace_all, write

CONTEXTS: Final[dict[str, tuple[str, ...]]] = {
    "resource": ("resource",),
    "scope": ("resource", "scope"),
    "span": ("resource", "scope", "span"),
    "spanevent": ("resource", "scope", "span", "spanevent"),
    "metric": ("resource", "scope", "metric"),
    "datapoint": ("resource", "scope", "metric", "datapoint"),
    "log": ("resource", "scope", "log"),
}
"""Context → contexts that its paths may begin with."""
_ALIASES: Final = {"instrumentation_scope": "scope"}


@dataclass(slots=True)
class Item:
    """What a statement runs on. Messages are OTLP's."""

    resource: Any
    scope: Any = None
    span: Any = None
    spanevent: Any = None
    metric: Any = None
    datapoint: Any = None
    log: Any = None
    cache: dict[str, Value] = field(default_factory=dict)


Get: TypeAlias = Callable[[Item], Value]
Set: TypeAlias = Callable[[Item, Value], None]
KeyGet: TypeAlias = Callable[[Item], Value]


@dataclass(frozen=True, slots=True)
class Accessor:
    """Reads and writes one place. `set` None: it cannot be written."""

    get: Get
    set: Set | None
    delete: Callable[[Item], None] | None = None


def accessor(context: str, segments: Sequence[str], keys: Sequence[KeyGet]) -> Accessor | str:
    """The place of a path, or why there is none."""
    head = _ALIASES.get(segments[0], segments[0])
    rest = list(segments)
    owner = context
    if head in CONTEXTS:
        if head not in CONTEXTS[context]:
            return f"{segments[0]} cannot be reached from {context}"
        # `log` statements may say `resource`; a bare `resource` is no value.
        owner, rest = head, rest[1:]
    if not rest:
        return f"{segments[0]} is no value; name a field of it"
    name = ".".join(rest)
    if name == "cache":
        return _in_map(lambda item: item.cache, keys)
    if name == "attributes":
        return _attributes(owner, keys)
    if owner == "log" and name == "body":
        return _any_value("log", "body", keys)
    plain_field = _FIELDS.get(owner, {}).get(name)
    if plain_field is None:
        known = sorted(["attributes", "cache", *_FIELDS.get(owner, {})])
        return f"{owner} has no {name}; it has {', '.join(known)}"
    if keys:
        return _indexed(plain_field(owner), keys)
    return plain_field(owner)


def _attributes(owner: str, keys: Sequence[KeyGet]) -> Accessor:
    if not keys:

        def get_all(item: Item) -> Value:
            return plain_map(getattr(item, owner).attributes)

        def set_all(item: Item, value: Value) -> None:
            if not isinstance(value, dict):
                raise OttlError(f"attributes want a map, not {type_name(value)}")
            replace_all(getattr(item, owner).attributes, value)

        return Accessor(get_all, set_all)
    first, more = keys[0], keys[1:]

    def key_of(item: Item) -> str:
        key = first(item)
        if not isinstance(key, str):
            raise OttlError(f"an attribute's key is text, not {type_name(key)}")
        return key

    if not more:

        def get_one(item: Item) -> Value:
            attribute = find(getattr(item, owner).attributes, key_of(item))
            return None if attribute is None else plain(attribute.value)

        def set_one(item: Item, value: Value) -> None:
            put(getattr(item, owner).attributes, key_of(item), value)

        def delete_one(item: Item) -> None:
            remove(getattr(item, owner).attributes, key_of(item))

        return Accessor(get_one, set_one, delete_one)

    def get_nested(item: Item) -> Value:
        attribute = find(getattr(item, owner).attributes, key_of(item))
        return None if attribute is None else _walk(plain(attribute.value), [key(item) for key in more])

    def set_nested(item: Item, value: Value) -> None:
        attribute = find(getattr(item, owner).attributes, key_of(item))
        root = None if attribute is None else plain(attribute.value)
        put(getattr(item, owner).attributes, key_of(item), _placed(root, [key(item) for key in more], value))

    return Accessor(get_nested, set_nested)


def _any_value(owner: str, field_name: str, keys: Sequence[KeyGet]) -> Accessor:
    def get(item: Item) -> Value:
        found = plain(getattr(getattr(item, owner), field_name))
        return _walk(found, [key(item) for key in keys])

    def set_(item: Item, value: Value) -> None:
        target = getattr(getattr(item, owner), field_name)
        write(target, _placed(plain(target), [key(item) for key in keys], value) if keys else value)

    return Accessor(get, set_)


def _in_map(map_of: Callable[[Item], dict[str, Value]], keys: Sequence[KeyGet]) -> Accessor:
    def get(item: Item) -> Value:
        return _walk(map_of(item), [key(item) for key in keys])

    def set_(item: Item, value: Value) -> None:
        target = map_of(item)
        if keys:
            value = _placed(target, [key(item) for key in keys], value)
        if not isinstance(value, dict):
            raise OttlError(f"cache wants a map, not {type_name(value)}")
        if value is not target:
            target.clear()
            target.update(value)

    return Accessor(get, set_)


def _indexed(place: Accessor, keys: Sequence[KeyGet]) -> Accessor:
    def get(item: Item) -> Value:
        return _walk(place.get(item), [key(item) for key in keys])

    return Accessor(get, None)


def _walk(value: Value, keys: Sequence[Value]) -> Value:
    for key in keys:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
            value = value[key] if 0 <= key < len(value) else None
        else:
            return None
    return value


def _placed(root: Value, keys: Sequence[Value], value: Value) -> Value:
    """`root` with `value` at the keys; maps on the way are made, lists only grow by one."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(key, str):
        found = dict(root) if isinstance(root, dict) else {}
        found[key] = _placed(found.get(key), rest, value)
        return found
    if isinstance(key, int) and not isinstance(key, bool):
        items = list(root) if isinstance(root, list) else []
        if not 0 <= key <= len(items):
            raise OttlError(f"index {key} is out of a list of {len(items)}")
        inner = _placed(items[key] if key < len(items) else None, rest, value)
        items[key : key + 1] = [inner]
        return items
    raise OttlError(f"a key is text or a whole number, not {type_name(key)}")


def type_name(value: Value) -> str:
    """The type of a value as users of the Collector call it."""
    if value is None:
        return "nil"
    names = {bool: "bool", int: "int", float: "double", str: "string", bytes: "bytes", list: "list", dict: "map"}
    return names.get(type(value), type(value).__name__.lower())


# Fields of messages.

_Field: TypeAlias = Callable[[str], Accessor]


def _scalar(name: str, type_: type) -> _Field:
    def of(owner: str) -> Accessor:
        def set_(item: Item, value: Value) -> None:
            if value is None:
                return
            if type(value) is not type_:
                raise OttlError(f"{owner}.{name} wants {type_name(type_())}, not {type_name(value)}")
            try:
                setattr(getattr(item, owner), name, value)
            except ValueError as problem:
                raise OttlError(f"{owner}.{name}: {problem}") from None

        return Accessor(lambda item: getattr(getattr(item, owner), name), set_)

    return of


def _read(get: Callable[[Any], Value]) -> _Field:
    return lambda owner: Accessor(lambda item: get(getattr(item, owner)), None)


def _id(name: str, length: int, as_text: bool) -> _Field:
    def of(owner: str) -> Accessor:
        def get(item: Item) -> Value:
            value = getattr(getattr(item, owner), name)
            return value.hex() if as_text else value

        def set_(item: Item, value: Value) -> None:
            if as_text and isinstance(value, str):
                try:
                    value = bytes.fromhex(value)
                except ValueError:
                    raise OttlError(f"{owner}.{name}: {value!r} is not hexadecimal") from None
            if not isinstance(value, bytes) or len(value) != length:
                raise OttlError(f"{owner}.{name} wants {length} bytes")
            setattr(getattr(item, owner), name, value)

        return Accessor(get, set_)

    return of


def _status(name: str, type_: type) -> _Field:
    def of(owner: str) -> Accessor:
        def set_(item: Item, value: Value) -> None:
            if type(value) is not type_:
                raise OttlError(f"{owner}.status.{name} wants {type_name(type_())}, not {type_name(value)}")
            setattr(getattr(item, owner).status, name, value)

        return Accessor(lambda item: getattr(getattr(item, owner).status, name), set_)

    return of


_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_METRIC_DATA: Final = {
    "gauge": (1, "Gauge"),
    "sum": (2, "Sum"),
    "histogram": (3, "Histogram"),
    "exponential_histogram": (4, "ExponentialHistogram"),
    "summary": (5, "Summary"),
}


def _kind_text(span: Any) -> str:
    return _KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "Unspecified"


def _metric_type(metric: Any) -> int:
    return _METRIC_DATA.get(metric.WhichOneof("data") or "", (0, "Empty"))[0]


def _data_field(name: str) -> Callable[[Any], Value]:
    def get(metric: Any) -> Value:
        kind = metric.WhichOneof("data")
        return getattr(getattr(metric, kind), name, None) if kind else None

    return get


def _point_value(kind: str) -> _Field:
    def of(owner: str) -> Accessor:
        def get(item: Item) -> Value:
            point = getattr(item, owner)
            return getattr(point, kind) if hasattr(point, kind) and point.HasField(kind) else None

        def set_(item: Item, value: Value) -> None:
            setattr(getattr(item, owner), kind, value)

        return Accessor(get, set_)

    return of


_SPAN_TIMES: Final[dict[str, _Field]] = {
    "start_time_unix_nano": _scalar("start_time_unix_nano", int),
    "end_time_unix_nano": _scalar("end_time_unix_nano", int),
}
_FIELDS: Final[dict[str, dict[str, _Field]]] = {
    "resource": {"dropped_attributes_count": _scalar("dropped_attributes_count", int)},
    "scope": {
        "name": _scalar("name", str),
        "version": _scalar("version", str),
        "dropped_attributes_count": _scalar("dropped_attributes_count", int),
    },
    "span": {
        "name": _scalar("name", str),
        "trace_id": _id("trace_id", 16, False),
        "trace_id.string": _id("trace_id", 16, True),
        "span_id": _id("span_id", 8, False),
        "span_id.string": _id("span_id", 8, True),
        "parent_span_id": _id("parent_span_id", 8, False),
        "parent_span_id.string": _id("parent_span_id", 8, True),
        "trace_state": _scalar("trace_state", str),
        "kind": _scalar("kind", int),
        "kind.string": _read(_kind_text),
        "status.code": _status("code", int),
        "status.message": _status("message", str),
        "dropped_attributes_count": _scalar("dropped_attributes_count", int),
        "dropped_events_count": _scalar("dropped_events_count", int),
        "dropped_links_count": _scalar("dropped_links_count", int),
        **_SPAN_TIMES,
    },
    "spanevent": {
        "name": _scalar("name", str),
        "time_unix_nano": _scalar("time_unix_nano", int),
        "dropped_attributes_count": _scalar("dropped_attributes_count", int),
    },
    "log": {
        "time_unix_nano": _scalar("time_unix_nano", int),
        "observed_time_unix_nano": _scalar("observed_time_unix_nano", int),
        "severity_number": _scalar("severity_number", int),
        "severity_text": _scalar("severity_text", str),
        "body.string": _read(lambda log: plain(log.body) if log.body.HasField("string_value") else None),
        "event_name": _scalar("event_name", str),
        "flags": _scalar("flags", int),
        "dropped_attributes_count": _scalar("dropped_attributes_count", int),
        "trace_id": _id("trace_id", 16, False),
        "trace_id.string": _id("trace_id", 16, True),
        "span_id": _id("span_id", 8, False),
        "span_id.string": _id("span_id", 8, True),
    },
    "metric": {
        "name": _scalar("name", str),
        "description": _scalar("description", str),
        "unit": _scalar("unit", str),
        "type": _read(_metric_type),
        "aggregation_temporality": _read(_data_field("aggregation_temporality")),
        "is_monotonic": _read(_data_field("is_monotonic")),
    },
    "datapoint": {
        "start_time_unix_nano": _scalar("start_time_unix_nano", int),
        "time_unix_nano": _scalar("time_unix_nano", int),
        "value_int": _point_value("as_int"),
        "value_double": _point_value("as_double"),
        "flags": _scalar("flags", int),
        "count": _scalar("count", int),
        "sum": _scalar("sum", float),
    },
}
