"""Logical columns in ClickHouse: their types, and values to and from the driver.

Text is never Nullable: `''` is NULL. Whether an optional text was NULL or empty stands in the `blank` column, which
every table has and which is nearly always empty. Numbers, times and ids are Nullable where None is a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from spanledger.exporters.schema import Column, Table, Type
from spanledger.exporters.values import Repairs, column_values
from spanledger.model.records import Record, Run

try:
    from spanledger.exporters.regular import filled as _filled
    from spanledger.exporters.regular import has_empty as _has_empty
except ImportError:  # installed without a C compiler

    def _filled(values: list[Any], missing: object) -> list[Any]:
        return [missing if value is None else value for value in values]

    def _has_empty(values: list[Any]) -> bool:
        return "" in values


_TYPES: Final = {
    Type.WORD: "LowCardinality(String)",
    Type.TEXT: "String",
    Type.UUID: "UUID",
    Type.TIME: "DateTime64(9, 'UTC')",
    Type.COUNT: "UInt64",
    Type.INTEGER: "Int64",
    Type.NUMBER: "Float64",
    Type.FLAG: "Bool",
    Type.WORDS: "Array(LowCardinality(String))",
    Type.COUNTS: "Array(UInt64)",
    Type.NUMBERS: "Array(Float64)",
    Type.LABELS: "Map(LowCardinality(String), String)",
    Type.MONEY: "Int64",
    Type.MONEYS: "Map(LowCardinality(String), Int64)",
    Type.JSON: "String",
}
_NULLABLE: Final = {Type.UUID, Type.TIME, Type.COUNT, Type.INTEGER, Type.NUMBER, Type.FLAG, Type.MONEY}
_TEXTS: Final = {Type.WORD, Type.TEXT}
_MISSING: Final[dict[Type, Any]] = {
    Type.WORD: "",
    Type.TEXT: "",
    Type.JSON: b"",
    Type.WORDS: [],
    Type.COUNTS: [],
    Type.NUMBERS: [],
    Type.LABELS: {},
    Type.MONEYS: {},
}
"""What stands for None in types that are not Nullable."""

BLANK: Final = "blank"
BLANK_TYPE: Final = "Array(LowCardinality(String))"
DELETED: Final = "is_deleted"
DELETED_TYPE: Final = "UInt8"
"""What ReplacingMergeTree drops by: a run that the mapping withdrew."""


def type_name(column: Column) -> str:
    """ClickHouse type of a column."""
    name = _TYPES[column.type]
    return f"Nullable({name})" if column.optional and column.type in _NULLABLE else name


def insert_columns(table: Table) -> tuple[list[str], list[str]]:
    """(names, type names) of what an insert gives, in the order of `encode`."""
    names = [column.name for column in table.columns]
    return [*names, BLANK, DELETED], [*map(type_name, table.columns), BLANK_TYPE, DELETED_TYPE]


def encode(table: Table, records: Sequence[Record], repairs: Repairs) -> list[list[Any]]:
    """The records as columns for the driver, in the order of `insert_columns`. Raises `TypeError` or `ValueError`
    when a record cannot be stored at all."""
    blank: list[list[str]] = [[] for _ in records]
    columns = []
    for column in table.columns:
        values = column_values(column, records, repairs)
        if column.optional and column.type in _TEXTS and _has_empty(values):
            for names, value in zip(blank, values, strict=True):
                if value == "":
                    names.append(column.name)
        columns.append(_to_driver(column, values))
    columns.append(blank)
    columns.append([int(isinstance(record, Run) and record.withdrawn) for record in records])
    return columns


def _to_driver(column: Column, values: list[Any]) -> list[Any]:
    if column.optional and column.type in _MISSING and None in values:
        return _filled(values, _MISSING[column.type])
    return values


def decode(column: Column, value: Any, blank: Sequence[str]) -> Any:
    """A logical value from what the driver read."""
    if value is None:
        return None
    if column.type in _TEXTS:
        return None if column.optional and value == "" and column.name not in blank else value
    if column.type is Type.JSON:
        return value or None
    return value
