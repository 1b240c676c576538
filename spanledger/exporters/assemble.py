"""Rows back into the JSON of a record, the same for every store."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from spanledger.exporters.schema import RUNS, Column, Table, Type
from spanledger.exporters.store import Group, Grouping, Totals
from spanledger.exporters.values import to_fact, to_json, usd
from spanledger.model.records import Cost, Record, Run, RunError, Usage

_GROUPS: Final[dict[str, Any]] = {"error": RunError, "usage": Usage, "cost": Cost}
_CONVERTED: Final = {Type.MONEY, Type.MONEYS, Type.JSON}
_TOTALS: Final = tuple(field.name for field in dataclasses.fields(Totals))
_PREVIEWED: Final = {"input_preview": "input", "output_preview": "output"}
PROMPT: Final = {"prompt_name": "name", "prompt_version": "version"}
"""Columns that hold a part of a run's prompt."""


def facts(table: Table) -> list[Column]:
    """The columns that go back into the JSON."""
    return [column for column in table.columns if column.path is not None]


SUMMARY: Final = [
    *facts(RUNS),
    *(RUNS[name] for name in ("input_preview", "output_preview", "prompt_name", "prompt_version")),
]
"""What lists show of a run."""
_FACTS: Final = len(facts(RUNS))


def summary_json(values: Sequence[Any]) -> dict[str, Any]:
    """A run without its contents from the logical values of `SUMMARY`. Of a prompt its name and version are there."""
    run = record_json(RUNS, zip(SUMMARY[:_FACTS], values, strict=False))
    previews, prompt = values[_FACTS : _FACTS + 2], values[_FACTS + 2 :]
    run["input_preview"], run["output_preview"] = previews
    if any(part is not None for part in prompt):
        run["prompt"] = dict(zip(PROMPT.values(), prompt, strict=True))
    return run


def record_json(table: Table, values: Iterable[tuple[Column, Any]]) -> dict[str, Any]:
    """The JSON of a record, in the shape of `spanledger.model.records.to_dict`, from the logical values of `facts`.

    Holds the fields that the table has, in the record's order.
    """
    fields: dict[str, Any] = {"record": _kind(table.record)}
    groups: dict[str, dict[str, Any]] = {}
    for column, value in values:
        group, dot, leaf = (column.path or "").partition(".")
        if dot:
            groups.setdefault(group, {})[leaf] = to_json(column, value)
        else:
            fields[group] = to_json(column, value)
    for name, marker in table.groups:
        fields[name] = groups[name] if _is_there(groups[name], marker) else None
    return in_order(table.record, fields)


def runs_without_contents(rows: Iterable[Iterable[Any]]) -> Iterator[Run]:
    """Runs (`Run.without_contents`) from the logical values of `SUMMARY`. An exporter
    makes the same row of each again: it cuts previews from input and output, and a preview is its own preview."""
    places = [(_place(column), column if column.type in _CONVERTED else None) for column in SUMMARY]
    for row in rows:
        fields: dict[str, Any] = {"without_contents": True}
        groups: dict[str, dict[str, Any]] = {name: {} for name in _GROUPS}
        for ((group, name), column), value in zip(places, row, strict=True):
            fact = value if column is None else to_fact(column, value)
            if group is None:
                fields[name] = fact
            elif group == "prompt":
                if fact is not None:
                    fields.setdefault(group, {})[name] = fact
            else:
                groups[group][name] = fact
        for name, marker in RUNS.groups:
            fields[name] = _GROUPS[name](**groups[name]) if _is_there(groups[name], marker) else None
        yield Run(**fields)


def _place(column: Column) -> tuple[str | None, str]:
    """(Group or None, field) of a column in a run without contents."""
    if column.name in PROMPT:
        return "prompt", PROMPT[column.name]
    if column.path is None:
        return None, _PREVIEWED[column.name]
    group, dot, leaf = column.path.partition(".")
    return (group, leaf) if dot else (None, group)


def _is_there(members: dict[str, Any], marker: str | None) -> bool:
    return any(value is not None for value in members.values()) if marker is None else members[marker] is not None


def totals_of(row: Sequence[Any]) -> Totals:
    """What a store counted, in the order of the fields of `Totals`, money as 1e-12 USD."""
    sums = dict(zip(_TOTALS, row, strict=True))

    def known(name: str) -> int | None:
        return None if sums[name] is None else int(sums[name])

    cost = known("cost")
    return Totals(
        runs=int(sums["runs"]),
        errors=int(sums["errors"]),
        billable_runs=int(sums["billable_runs"]),
        unpriced_runs=int(sums["unpriced_runs"]),
        input_tokens=known("input_tokens"),
        output_tokens=known("output_tokens"),
        cache_read_tokens=known("cache_read_tokens"),
        cache_write_tokens=known("cache_write_tokens"),
        reasoning_tokens=known("reasoning_tokens"),
        cost=None if cost is None else usd(cost),
    )


def group_of(grouping: Grouping, row: Sequence[Any]) -> Group:
    """A group from (key, bucket, totals …, first start, last start, users, sessions[, quantiles, quantiles])."""
    rest = 2 + len(_TOTALS)
    quantiles = [_quantiles(values) for values in row[rest + 4 :]]
    return Group(
        key=None if grouping.by is None else str(row[0]),
        bucket=None if grouping.bucket_ns is None else int(row[1]),
        totals=totals_of(row[2:rest]),
        first_at=int(row[rest] or 0),
        last_at=int(row[rest + 1] or 0),
        users=int(row[rest + 2]),
        sessions=int(row[rest + 3]),
        duration_ns=quantiles[0] if quantiles else (),
        ttft_ns=quantiles[1] if quantiles else (),
    )


def _quantiles(values: Sequence[float | None] | None) -> tuple[float | None, ...]:
    return tuple(None if value is None or not math.isfinite(value) else value for value in values or ())


def in_order(record: type[Record], fields: dict[str, Any]) -> dict[str, Any]:
    """Fields in the order of the record."""
    return {name: fields[name] for name in record.__struct_fields__ if name in fields}


@cache
def _kind(record: type[Record]) -> Any:
    return msgspec.structs.fields(record)[0].default
