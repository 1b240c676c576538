"""Dead letters: what no mapping or no store can ever take, kept with the reason for a person to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from spanledger.model.received import Item
from spanledger.model.records import Metric, Record, Run, Score, Thread
from spanledger.model.span import Event, Link, LogRecord, MetricPoint, Resource, Scope, Span

_ROAD: Final = "; road="
_CONTEXT: Final = "; context="


class LetterKind(StrEnum):
    """What a letter holds."""

    RECORD = "record"
    """A record, as the JSON form of its struct (`msgspec.json.decode` with the record's type reads it)."""
    ITEM = "item"
    """A decoded span, log record or metric point, as a JSON object of its fields."""
    ENTRY = "entry"
    """A whole request body, as received."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something undeliverable."""

    kind: LetterKind
    source: str
    """Name of the exporter, else `mapping` or `log`."""
    reason: str
    project_id: str
    seq: int
    """The log entry it came from; 0 when several may have made it."""
    content_type: str
    """`json`, or for a body its signal and encoding: `traces/protobuf`. Where either was meant for some pipelines alone
    these follow: `traces/protobuf; road=traces/vendor,traces/ledger`; where the log kept headers of its request, these
    are last: `traces/protobuf; context={"metadata.x-tenant":["acme"]}`."""
    content: bytes
    key: bytes
    """Names the content: the same letter is kept once, however often its entry is replayed."""

    @property
    def body_type(self) -> tuple[str, str]:
        """Signal and encoding of a body."""
        signal, _, encoding = self._parts[0].partition("/")
        return signal, encoding

    @property
    def road(self) -> str:
        """Ids of the pipelines that a body or an item was meant for, separated by commas; empty: for all."""
        return self._parts[1]

    @property
    def context(self) -> str:
        """What the log kept of the request's context, for exporters. It may hold keys: not for eyes."""
        return self._parts[2]

    @property
    def shown_type(self) -> str:
        """The content type without the context."""
        return self.content_type.partition(_CONTEXT)[0]

    @property
    def _parts(self) -> tuple[str, str, str]:
        shown, _, context = self.content_type.partition(_CONTEXT)
        kind, _, road = shown.partition(_ROAD)
        return kind, road, context


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as kept. Ids grow."""

    id: int
    at_ns: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; None is no condition."""

    source: str | None = None
    """Name of the exporter, `mapping` or `log`."""
    reason: str | None = None
    """Part of the reason, in upper or lower case."""
    project_id: str | None = None
    before_ns: int | None = None
    """Kept before this time."""


def letter_of_record(source: str, record: Record, reason: str) -> DeadLetter:
    """A record that an exporter cannot write."""
    kind, project_id, record_id = record_key(record)
    key = _digest(source, kind, project_id, record_id, str(record.version))
    return DeadLetter(LetterKind.RECORD, source, reason, project_id, 0, "json", json_of(record), key)


def letter_of_item(project_id: str, seq: int, index: int, item: Item, reason: str, *, road: str = "") -> DeadLetter:
    """An item that cannot be mapped; `index` is its place in the entry, `road` as of `letter_of_entry`."""
    key = _digest("mapping", str(seq), str(index))
    return DeadLetter(LetterKind.ITEM, "mapping", reason, project_id, seq, _with(road, "json"), json_of(item), key)


def letter_of_entry(
    source: str,
    project_id: str,
    seq: int,
    content_type: str,
    body: bytes,
    reason: str,
    *,
    name: str | None = None,
    road: str = "",
    context: str = "",
) -> DeadLetter:
    """A body that cannot be read or decoded any more. `name` tells it from others where `seq` does not; `road`: the
    pipelines that it was meant for; `context`: as of an entry."""
    digest = _digest(source, "entry", name if name is not None else str(seq))
    content_type = _with(road, content_type) + (f"{_CONTEXT}{context}" if context else "")
    return DeadLetter(LetterKind.ENTRY, source, reason, project_id, seq, content_type, body, digest)


def _with(road: str, content_type: str) -> str:
    return f"{content_type}{_ROAD}{road}" if road else content_type


def record_of(letter: DeadLetter) -> Record:
    """The record that a letter holds. Raises `ValueError` for a letter of something else, and for one that cannot be
    read back."""
    if letter.kind is not LetterKind.RECORD:
        raise ValueError("holds no record")
    fields = msgspec.json.decode(letter.content)
    kinds: dict[str, type[Record]] = {"run": Run, "score": Score, "thread": Thread, "metric": Metric}
    if fields.get("record") not in kinds:
        raise ValueError("holds no record that this version knows")
    record: Record = msgspec.json.decode(letter.content, type=kinds[fields["record"]])
    return record


def item_of(letter: DeadLetter, new_span: Callable[[], Span]) -> Item:
    """The span, log record or metric point that a letter holds; bytes among its attributes come back as base64. Raises
    `ValueError` for a letter of something else, and for one that cannot be read back."""
    if letter.kind is not LetterKind.ITEM:
        raise ValueError("holds no item")
    fields = msgspec.json.decode(letter.content)
    item: Item
    if "dropped_attributes" in fields:
        item = new_span()
    elif "severity_number" in fields:
        item = LogRecord()
    elif "temporality" in fields:
        item = MetricPoint()
    else:
        raise ValueError("holds no item that this version knows")
    for name, value in fields.items():
        match name:
            case "resource":
                value = Resource(value["attributes"])
            case "scope":
                value = Scope(**value)
            case "events":
                value = [Event(**event) for event in value]
            case "links":
                value = [Link(**link) for link in value]
        setattr(item, name, value)
    return item


def record_key(record: Record) -> tuple[str, str, str]:
    """(kind, project id, id): what tells two records apart whatever their version."""
    match record:
        case Run():
            return "run", record.project_id, record.run_id
        case Score():
            return "score", record.project_id, record.score_id
        case Thread():
            return "thread", record.project_id, record.thread_id
        case Metric():
            return "metric", record.project_id, record.metric_id


def describe(error: BaseException) -> str:
    """Type and text of an error, short enough for a reason."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text if len(text) <= 500 else text[:497] + "..."


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def json_of(value: object) -> bytes:
    """JSON of a record or item. What made it undeliverable may make it hard to encode too, so this never raises."""
    try:
        return msgspec.json.encode(value, enc_hook=_slots)
    except Exception:
        try:
            return msgspec.json.encode(_plain(value, depth=64))
        except Exception as error:
            return msgspec.json.encode({"unencodable": type(value).__name__, "because": type(error).__name__})


def _slots(value: object) -> Any:
    """The fields of a `Span`, `Resource` and the like, in slots and beside them; the text of anything unknown."""
    names = {name for owner in type(value).__mro__ for name in getattr(owner, "__slots__", ())}
    if not names:
        return str(value)
    names |= getattr(value, "__dict__", {}).keys()
    return {name: held for name in sorted(names) if (held := getattr(value, name, None)) is not None}


def _plain(value: object, depth: int) -> Any:
    """The same with what JSON cannot hold replaced: lone surrogates, integers beyond 64 bits, endless nesting."""
    if depth == 0:
        return "…"
    match value:
        case None | bool() | float() | bytes():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {str(_plain(key, 2)): _plain(member, depth - 1) for key, member in value.items()}
        case list() | tuple():
            return [_plain(member, depth - 1) for member in value]
        case msgspec.Struct():
            return {name: _plain(getattr(value, name), depth - 1) for name in value.__struct_fields__}
        case _:
            return _plain(_slots(value), depth - 1)
