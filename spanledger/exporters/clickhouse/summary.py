"""The column `summary` of `runs`: what lists show of a run as one text, which ClickHouse makes when a row is written.

A list needs some fifty rows that lie far apart, for ids are random, with seventy columns each. A table by columns
reads a block for each of them; with the facts in one text it reads one block a row. The text is an array of JSON: the
revision of the schema, the columns of that revision, and the names of blank texts. What is looked up anyway stays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from spanledger.exporters.assemble import SUMMARY
from spanledger.exporters.clickhouse.columns import BLANK, decode
from spanledger.exporters.clickhouse.tables import identifier
from spanledger.exporters.schema import RUNS, Column, Type
from spanledger.exporters.store import Sort

COLUMN: Final = "summary"
_BESIDE: Final = ("project_id", "run_id", "trace_id", "started_at", "version")
READ: Final = ", ".join((*map(identifier, _BESIDE), identifier(COLUMN)))
"""What a statement selects for `values`."""
STARTED_AT: Final = _BESIDE.index("started_at")
RUN_ID: Final = _BESIDE.index("run_id")
VERSION: Final = _BESIDE.index("version")
_WHOLE: Final = {Type.COUNT, Type.INTEGER, Type.TIME, Type.MONEY}
_decode_array: Final = msgspec.json.Decoder(list[Any]).decode
_TEXT: Final = RUNS["trace_id"]
_PLACES: Final = {column.name: place for place, column in enumerate(SUMMARY)}


def definition(revision: int) -> str:
    """The column as of a schema revision, for CREATE TABLE."""
    shown = ", ".join(_shown(column) for column in _columns(revision))
    return (
        f"{identifier(COLUMN)} String MATERIALIZED "
        f"formatRowNoNewline('JSONCompactEachRow', {revision}, {shown}, {BLANK}) CODEC(ZSTD(1))"
    )


def _shown(column: Column) -> str:
    name = identifier(column.name)
    return f"toUnixTimestamp64Nano({name})" if column.type is Type.TIME else name


@cache
def _columns(revision: int) -> tuple[Column, ...]:
    return tuple(column for column in SUMMARY if column.since <= revision and column.name not in _BESIDE)


def values(row: Sequence[Any]) -> list[Any]:
    """Logical values of the columns of `SUMMARY` from a row of `READ`."""
    revision, *told, blank = _decode_array(row[-1])
    facts = {
        column.name: decode(column, _plain(column, value), blank)
        for column, value in zip(_columns(revision), told, strict=True)
    }
    facts |= dict(zip(_BESIDE, row, strict=False))
    facts["trace_id"] = decode(_TEXT, facts["trace_id"], blank)
    return [facts.get(column.name) for column in SUMMARY]


def started_at(facts: Sequence[Any]) -> int:
    """The start among `values`."""
    return int(facts[_PLACES["started_at"]])


def place(sort: Sort, facts: Sequence[Any]) -> int | None:
    """What a run is sorted by, of its `values`."""
    match sort:
        case Sort.STARTED:
            return started_at(facts)
        case Sort.TOKENS:
            counted = [facts[_PLACES[name]] for name in ("input_tokens", "output_tokens")]
            known = [count for count in counted if count is not None]
            return sum(known) if known else None
        case Sort.DURATION:
            found = facts[_PLACES["duration_ns"]]
        case Sort.COST:
            found = facts[_PLACES["cost"]]
    return None if found is None else int(found)


def _plain(column: Column, value: Any) -> Any:
    """A value of the text as the driver would give it. Servers before 25.8 write numbers of 64 bits as texts."""
    if value is None:
        return None
    if column.type in _WHOLE:
        return int(value)
    if column.type is Type.NUMBER:
        return float(value)
    if column.type is Type.MONEYS:
        return {name: int(amount) for name, amount in value.items()}
    return value
