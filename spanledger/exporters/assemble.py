"""Rows back into the JSON of a record, the same for every store."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from spanledger.exporters.schema import Column, Table
from spanledger.exporters.values import to_json
from spanledger.model.records import Record


def facts(table: Table) -> list[Column]:
    """The columns that go back into the JSON."""
    return [column for column in table.columns if column.path is not None]


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
        members = groups[name]
        present = (
            any(value is not None for value in members.values()) if marker is None else members[marker] is not None
        )
        fields[name] = members if present else None
    return in_order(table.record, fields)


def in_order(record: type[Record], fields: dict[str, Any]) -> dict[str, Any]:
    """Fields in the order of the record."""
    return {name: fields[name] for name in record.__struct_fields__ if name in fields}


@cache
def _kind(record: type[Record]) -> Any:
    return msgspec.structs.fields(record)[0].default
