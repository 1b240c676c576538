"""Dead letters: what no mapping or no store can ever take, kept with the reason for a person to look at.

They stand in the log's own database, so that a letter and the cursor which passes its record share one order of
commits: a cursor never gets past something that is neither written nor here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from spanledger.model.received import Item
from spanledger.model.records import Metric, Record, Run, Score, Thread


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
    """`json`, or for a body its signal and encoding: `traces/protobuf`."""
    content: bytes
    key: bytes
    """Names the content: the same letter is kept once, however often its entry is replayed."""


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as kept. Ids grow."""

    id: int
    at_ns: int
    letter: DeadLetter


def letter_of_record(source: str, record: Record, reason: str) -> DeadLetter:
    """A record that an exporter cannot write."""
    kind, project_id, record_id = record_key(record)
    key = _digest(source, kind, project_id, record_id, str(record.version))
    return DeadLetter(LetterKind.RECORD, source, reason, project_id, 0, "json", _json(record), key)


def letter_of_item(project_id: str, seq: int, index: int, item: Item, reason: str) -> DeadLetter:
    """An item that cannot be mapped; `index` is its place in the entry."""
    key = _digest("mapping", str(seq), str(index))
    return DeadLetter(LetterKind.ITEM, "mapping", reason, project_id, seq, "json", _json(item), key)


def letter_of_entry(source: str, project_id: str, seq: int, content_type: str, body: bytes, reason: str) -> DeadLetter:
    """A body that cannot be read or decoded any more."""
    key = _digest(source, "entry", str(seq))
    return DeadLetter(LetterKind.ENTRY, source, reason, project_id, seq, content_type, body, key)


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


def _json(value: object) -> bytes:
    """JSON of a record or item. What made it undeliverable may make it hard to encode too, so this never raises."""
    try:
        return msgspec.json.encode(value, enc_hook=_slots)
    except Exception:
        try:
            return msgspec.json.encode(_plain(value, depth=64))
        except Exception as error:
            return msgspec.json.encode({"unencodable": type(value).__name__, "because": type(error).__name__})


def _slots(value: object) -> Any:
    """The fields of a `Span`, `Resource` and the like; the text of anything unknown."""
    names = [name for owner in type(value).__mro__ for name in getattr(owner, "__slots__", ())]
    if not names:
        return str(value)
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


class DeadLetterTable:
    """The letters in the log's database. Synchronous; transactions are the caller's."""

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS dead_letters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key BLOB NOT NULL UNIQUE,
            at_ns INTEGER NOT NULL,
            size INTEGER NOT NULL,
            kind TEXT NOT NULL,
            source TEXT NOT NULL,
            reason TEXT NOT NULL,
            project_id TEXT NOT NULL,
            seq INTEGER NOT NULL,
            content_type TEXT NOT NULL,
            content BLOB NOT NULL
        );
        CREATE INDEX IF NOT EXISTS dead_letter_sizes ON dead_letters (id, size);
    """
    _COLUMNS = "id, at_ns, kind, source, reason, project_id, seq, content_type, content, key"

    def __init__(self, connection: sqlite3.Connection, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes

    def add(self, letters: Sequence[DeadLetter], at_ns: int) -> int:
        """Add letters, then drop the oldest beyond the bound; how many were dropped. The newest always stays."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO dead_letters"
            " (key, at_ns, size, kind, source, reason, project_id, seq, content_type, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(one.key, at_ns, len(one.content), one.kind, one.source),
                    *(one.reason, one.project_id, one.seq, one.content_type, one.content),
                )
                for one in letters
            ],
        )
        (excess,) = self._connection.execute(
            "SELECT coalesce(sum(size), 0) - ? FROM dead_letters", (self._max_bytes,)
        ).fetchone()
        if excess <= 0:
            return 0
        return self._connection.execute(
            "DELETE FROM dead_letters WHERE id < (SELECT max(id) FROM dead_letters) AND id <= ("
            " SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) AS freed FROM dead_letters)"
            " WHERE freed >= ? LIMIT 1)",
            (excess,),
        ).rowcount

    def list(self, after: int, limit: int) -> list[StoredLetter]:
        """Letters with id > after, oldest first."""
        rows = self._connection.execute(
            f"SELECT {self._COLUMNS} FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608
            (after, limit),
        ).fetchall()
        return [
            StoredLetter(row[0], row[1], DeadLetter(LetterKind(row[2]), *row[3:10]))  # the columns in the class's order
            for row in rows
        ]

    def count(self) -> int:
        """How many there are."""
        (count,) = self._connection.execute("SELECT count(*) FROM dead_letters").fetchone()
        return int(count)
