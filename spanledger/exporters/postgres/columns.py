"""Logical columns in Postgres: their types, and values to and from the driver.

Times are nanoseconds since the Unix epoch in a bigint: timestamptz ends at microseconds. Contents are text, not jsonb:
it keeps the bytes as they came (NUL escapes, big numbers) and costs a quarter less to write (storage research, 6.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from spanledger.exporters.schema import Column, Table, Type
from spanledger.exporters.text import clean_text, encode_valid_json
from spanledger.exporters.values import Repairs, column_values
from spanledger.model.records import Record

_TYPES: Final = {
    Type.WORD: "text",
    Type.TEXT: "text",
    Type.UUID: "uuid",
    Type.TIME: "bigint",
    Type.COUNT: "bigint",
    Type.INTEGER: "bigint",
    Type.NUMBER: "double precision",
    Type.FLAG: "boolean",
    Type.WORDS: "text[]",
    Type.COUNTS: "bigint[]",
    Type.NUMBERS: "double precision[]",
    Type.LABELS: "jsonb",
    Type.MONEY: "bigint",
    Type.MONEYS: "jsonb",
    Type.JSON: "text",
}
_DEFAULTS: Final = {
    Type.WORD: "''",
    Type.TEXT: "''",
    Type.TIME: "0",
    Type.COUNT: "0",
    Type.INTEGER: "0",
    Type.NUMBER: "0",
    Type.FLAG: "false",
    Type.WORDS: "'{}'",
    Type.COUNTS: "'{}'",
    Type.NUMBERS: "'{}'",
    Type.LABELS: "'{}'",
    Type.MONEY: "0",
    Type.MONEYS: "'{}'",
    Type.JSON: "'null'",
}
_MAPS: Final = {Type.LABELS, Type.MONEYS}
_NUL: Final = "\0"
_SHOWN_NUL: Final = "\N{REPLACEMENT CHARACTER}"


def type_name(column: Column) -> str:
    """Postgres type of a column. Texts compare by code point: the same order everywhere, and no index that a new
    version of the system's locales could break."""
    name = _TYPES[column.type]
    return f'{name} COLLATE "C"' if name == "text" and column.type is not Type.JSON else name


def default(column: Column) -> str:
    """What rows that are older than the column hold."""
    return "" if column.optional else f" DEFAULT {_DEFAULTS[column.type]}"


def encode(table: Table, records: Sequence[Record], repairs: Repairs) -> list[list[Any]]:
    """The records as columns of what the driver takes, in the order of the table. Raises `TypeError` or `ValueError`
    when a record cannot be stored at all."""
    columns = []
    for column in table.columns:
        values = column_values(column, records, repairs)
        to_driver = _TO_DRIVER.get(column.type)
        columns.append(values if to_driver is None else to_driver(values, column, repairs))
    return columns


def decode(column: Column, value: Any) -> Any:
    """A logical value from what the driver read."""
    if value is None:
        return None
    if column.type is Type.UUID:
        return str(value)
    if column.type in _MAPS:
        return msgspec.json.decode(value)
    return value


def clean(text: str) -> str:
    """A text as the writer would store it."""
    return clean_text(text).replace(_NUL, _SHOWN_NUL)


def _named(repairs: Repairs, index: int, column: Column) -> None:
    warning = f"nul_character:{column.path}"
    if column.path and warning not in repairs[index]:
        repairs[index].append(warning)


def _texts(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    if _NUL not in "".join(filter(None, values)):
        return values
    cleaned = list(values)
    for index, value in enumerate(values):
        if value is not None and _NUL in value:
            cleaned[index] = value.replace(_NUL, _SHOWN_NUL)
            _named(repairs, index, column)
    return cleaned


def _words(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    if not any(_NUL in "".join(value) for value in values if value):
        return values
    cleaned = list(values)
    for index, value in enumerate(values):
        if value and any(_NUL in word for word in value):
            cleaned[index] = [word.replace(_NUL, _SHOWN_NUL) for word in value]
            _named(repairs, index, column)
    return cleaned


def _maps(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    texts: list[Any] = []
    for index, value in enumerate(values):
        if not value:
            texts.append(None if value is None else "{}")
            continue
        if _NUL in "".join(value) or any(isinstance(item, str) and _NUL in item for item in value.values()):
            value = {_shown(key): _shown(item) for key, item in value.items()}
            _named(repairs, index, column)
        texts.append(encode_valid_json(value).decode())
    return texts


def _shown(value: Any) -> Any:
    return value.replace(_NUL, _SHOWN_NUL) if isinstance(value, str) else value


def _json(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return [None if value is None else value.decode() for value in values]


_TO_DRIVER: Final[dict[Type, Callable[[list[Any], Column, Repairs], list[Any]]]] = {
    Type.WORD: _texts,
    Type.TEXT: _texts,
    Type.WORDS: _words,
    Type.LABELS: _maps,
    Type.MONEYS: _maps,
    Type.JSON: _json,
}
