"""Records to rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from spanledger.exporters.base import Rejection
from spanledger.exporters.postgres.columns import encode
from spanledger.exporters.rows import encodable, warned
from spanledger.exporters.schema import METRICS, RUN_PAYLOADS, RUNS, SCORES, THREADS, Table
from spanledger.exporters.values import Repairs
from spanledger.model.records import Metric, Record, Run, Score, Thread

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[str, str]
"""(Project id, run id)."""

_OTHERS: Final[dict[type[Record], Table]] = {Score: SCORES, Thread: THREADS, Metric: METRICS}
_IDENTITY: Final[dict[str, tuple[str, ...]]] = {
    "scores": ("project_id", "score_id"),
    "threads": ("project_id", "thread_id"),
    "metrics": ("project_id", "metric_id", "at"),
}


def place(table: Table, name: str) -> int:
    """Where a column stands in a row."""
    return next(index for index, column in enumerate(table.columns) if column.name == name)


_RUN_ID, _STARTED_AT, _VERSION = (place(RUNS, name) for name in ("run_id", "started_at", "version"))


@dataclass(slots=True)
class RunRow:
    """What a batch says of a run: the narrow row of its highest version, and the contents of the highest version that
    has them. A withdrawn run has neither, only a version."""

    key: Key
    version: int
    started_at: int
    withdrawn: bool
    row: Row
    payload: Row | None = None
    payload_version: int = -1
    payload_at: int = 0

    def add(self, other: RunRow) -> None:
        """Take what the same run says later in the batch: of equal versions the later one counts."""
        if other.payload is not None and other.payload_version >= self.payload_version:
            self.payload, self.payload_version = other.payload, other.payload_version
            self.payload_at = other.payload_at
        if other.version >= self.version:
            self.version, self.started_at = other.version, other.started_at
            self.withdrawn, self.row = other.withdrawn, other.row


@dataclass(slots=True)
class Batch:
    """Rows of a batch, each key once, in the order of their keys: writers that lock in the same order never wait for
    each other in a circle."""

    runs: list[RunRow] = field(default_factory=list)
    others: list[tuple[Table, list[Row]]] = field(default_factory=list)


def prepare(records: Sequence[Record], indexes: Sequence[int]) -> tuple[Batch, list[Rejection]]:
    """(rows of the records at `indexes`, those that no row can hold)."""
    batch = Batch()
    rejected: list[Rejection] = []
    runs = [index for index in indexes if type(records[index]) is Run]
    columns, runs = encodable(partial(_encode, (RUNS, RUN_PAYLOADS)), records, runs, rejected)
    by_key: dict[Key, RunRow] = {}
    for index, row, payload in zip(runs, *map(_rows, columns), strict=True):
        new = _run_row(records[index], row, payload)
        known = by_key.setdefault(new.key, new)
        if known is not new:
            known.add(new)
    batch.runs = [by_key[key] for key in sorted(by_key)]
    for kind, table in _OTHERS.items():
        wanted = [index for index in indexes if type(records[index]) is kind]
        if not wanted:
            continue
        (values,), _ = encodable(partial(_encode, (table,)), records, wanted, rejected)
        batch.others.append((table, _highest(table, _rows(values))))
    return batch, rejected


def _run_row(run: Any, row: Row, payload: Row) -> RunRow:
    version, started_at = row[_VERSION], row[_STARTED_AT]
    new = RunRow((row[0], row[_RUN_ID]), version, started_at, run.withdrawn, row)
    if not run.without_contents and not run.withdrawn:
        new.payload, new.payload_version, new.payload_at = payload, version, started_at
    return new


def _rows(columns: list[list[Any]]) -> list[Row]:
    return list(zip(*columns, strict=True))


def _highest(table: Table, rows: Iterable[Row]) -> list[Row]:
    places, version = [place(table, name) for name in _IDENTITY[table.name]], place(table, "version")
    found: dict[Row, Row] = {}
    for row in rows:
        key = tuple(row[index] for index in places)
        if key not in found or row[version] >= found[key][version]:
            found[key] = row
    return [found[key] for key in sorted(found)]


def _encode(tables: Sequence[Table], records: Sequence[Record]) -> list[list[list[Any]]]:
    repairs: Repairs = [[] for _ in records]
    encoded = [encode(table, records, repairs) for table in tables]
    if RUN_PAYLOADS in tables and any(repairs):
        # What was repaired becomes a warning, which is a part of the payload.
        records_warned = [warned(record, warnings) for record, warnings in zip(records, repairs, strict=True)]
        encoded[tables.index(RUN_PAYLOADS)] = encode(RUN_PAYLOADS, records_warned, [[] for _ in records])
    return encoded
