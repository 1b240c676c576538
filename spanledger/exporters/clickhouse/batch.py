"""Records to inserts: which tables, which partitions, which token."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from spanledger.exporters.base import Rejection
from spanledger.exporters.clickhouse.columns import encode
from spanledger.exporters.rows import encodable, warned
from spanledger.exporters.schema import METRICS, RUN_PAYLOADS, RUNS, SCORES, THREADS, Table, Type
from spanledger.exporters.values import Repairs
from spanledger.model.records import Metric, Record, Run, Score, Thread

_DAY_NS: Final = 86_400 * 1_000_000_000


def _day(day: int) -> object:
    return day


def _week(day: int) -> object:
    return (day + 3) // 7  # the epoch was a Thursday, ISO weeks begin on Monday


def _month(day: int) -> object:
    date = time.gmtime(day * 86_400)
    return date.tm_year, date.tm_mon


_PARTITIONS: Final[dict[str, tuple[str, Callable[[int], object]]]] = {
    RUNS.name: ("started_at", _week),
    RUN_PAYLOADS.name: ("started_at", _day),
    METRICS.name: ("at", _month),
}
"""Column and function of PARTITION BY, from the number of the day. One insert into many partitions costs seven times
as much (28.7 against 4.1 CPU seconds per 100,000 rows over 30 days), and is refused beyond 100."""


# Payloads before runs: a run is visible only once its payload is there, and a payload without a run is invisible. A
# process that dies between both leaves nothing that the retry of the batch does not put right.
_TABLES: Final[dict[type[Record], tuple[Table, ...]]] = {
    Run: (RUN_PAYLOADS, RUNS),
    Score: (SCORES,),
    Thread: (THREADS,),
    Metric: (METRICS,),
}


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows of one partition of one table."""

    table: Table
    columns: list[list[Any]]
    indexes: list[int]
    """Where each row's record stands in the batch."""
    batch_token: str

    def __len__(self) -> int:
        return len(self.indexes)

    @property
    def token(self) -> str:
        """The batch's token, bound to the rows: a part has its own, and should the same token ever come with other
        rows, they are written."""
        identity = next(column for column in self.table.columns if column.type is Type.UUID)
        ids = self.columns[self.table.columns.index(identity)]
        versions = self.columns[self.table.columns.index(self.table["version"])]
        digest = hashlib.sha256(self.batch_token.encode("utf-8", "surrogatepass"))
        for id_, version in zip(ids, versions, strict=True):
            digest.update(f"\0{id_}\0{version}".encode())
        return f"{self.table.name}-{digest.hexdigest()}"

    def rows(self, rows: Sequence[int]) -> Insert:
        """Some of the rows."""
        return Insert(
            self.table,
            [[column[row] for row in rows] for column in self.columns],
            [self.indexes[row] for row in rows],
            self.batch_token,
        )

    def without(self, indexes: Container[int]) -> Insert:
        """The rows of other records."""
        rows = [row for row, index in enumerate(self.indexes) if index not in indexes]
        return self if len(rows) == len(self) else self.rows(rows)


def prepare(records: Sequence[Record], token: str) -> tuple[list[Insert], list[Rejection]]:
    """(inserts in the order they must be made, records that no insert can hold)."""
    inserts: list[Insert] = []
    rejected: list[Rejection] = []
    for kind, tables in _TABLES.items():
        indexes = [index for index, record in enumerate(records) if type(record) is kind]
        encoded, indexes = encodable(partial(_encode, tables), records, indexes, rejected)
        for table, columns in encoded if indexes else ():
            insert = Insert(table, columns, indexes, token)
            if table is RUN_PAYLOADS:  # the payload of an earlier version stays, and is found
                insert = insert.without({index for index in indexes if _has_no_contents(records[index])})
            inserts.extend(_by_partition(insert))
    return inserts, rejected


def _has_no_contents(record: Record) -> bool:
    return isinstance(record, Run) and record.without_contents


def _encode(tables: Sequence[Table], records: Sequence[Record]) -> list[tuple[Table, list[list[Any]]]]:
    repairs: Repairs = [[] for _ in records]
    # Narrow columns first: what is repaired there becomes a warning in the payload.
    narrow_first = sorted(tables, key=lambda table: table is RUN_PAYLOADS)
    encoded = {table.name: encode(table, records, repairs) for table in narrow_first}
    if RUN_PAYLOADS in tables and any(repairs):
        records = [warned(record, warnings) for record, warnings in zip(records, repairs, strict=True)]
        encoded[RUN_PAYLOADS.name] = encode(RUN_PAYLOADS, records, [[] for _ in records])
    return [(table, encoded[table.name]) for table in tables]


def _by_partition(insert: Insert) -> list[Insert]:
    if insert.table.name not in _PARTITIONS:
        return [insert]
    name, partition = _PARTITIONS[insert.table.name]
    days = [time_ns // _DAY_NS for time_ns in insert.columns[insert.table.columns.index(insert.table[name])]]
    partition_of = {day: partition(day) for day in set(days)}
    if len(set(partition_of.values())) == 1:
        return [insert]
    rows_of: dict[object, list[int]] = {}
    for row, day in enumerate(days):
        rows_of.setdefault(partition_of[day], []).append(row)
    return [insert.rows(rows) for rows in rows_of.values()]
