"""Values between a record and a store's row, the same for every store.

Inward, `column_values` reads one column off many records and makes every value fit its logical type: what a store
would refuse is repaired and named in `repairs`; what cannot be repaired raises. Outward, `to_json` turns a logical
value into the form that `spanledger.model.records.to_dict` gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from types import ModuleType
from typing import Any, Final
from uuid import UUID

import msgspec

from spanledger.exporters.schema import Column, Type
from spanledger.exporters.text import clean_text, encode_json, encode_valid_json
from spanledger.model.records import Record, money, rfc3339

_regular: ModuleType | None
try:
    from spanledger.exporters import regular as _regular
except ImportError:  # installed without a C compiler
    _regular = None

MAX_COUNT: Final = 2**63 - 1
"""Both stores hold it: ClickHouse in UInt64, Postgres in bigint."""
MIN_INTEGER: Final = -(2**63)
MAX_TIME: Final = 9_214_646_400_000_000_000
"""2262-01-01T00:00:00Z: nanoseconds in 64 bits end in April of that year."""
MAX_PICO: Final = 2**63 - 1
_PICO: Final = 10**12

Repairs = list[list[str]]
"""For each record what was repaired, as a warning of the run: `out_of_range:usage.input_tokens`."""


def column_values(column: Column, records: Sequence[Record], repairs: Repairs) -> list[Any]:
    """The column's logical value of every record; `bytes` of JSON text for `Type.JSON`.

    Raises `TypeError` or `ValueError` when a value is not of the column's type at all: the mapping made a mistake.
    """
    values, in_order = _read(column, records)
    if in_order:
        return values
    clean = _CLEAN[column.type]
    if not column.optional or None not in values:
        return clean(values, column, repairs)
    present = [index for index, value in enumerate(values) if value is not None]
    cleaned: list[Any] = [None] * len(values)
    some = clean([values[index] for index in present], column, [repairs[index] for index in present])
    for index, value in zip(present, some, strict=True):
        cleaned[index] = value
    return cleaned


def to_json(column: Column, value: Any) -> Any:
    """A logical value as plain JSON value."""
    if value is None:
        return None
    match column.type:
        case Type.TIME:
            return rfc3339(value)
        case Type.MONEY:
            return money(usd(value))
        case Type.MONEYS:
            return {part: money(usd(amount)) for part, amount in value.items()}
        case Type.JSON:
            return msgspec.json.decode(value)
        case Type.NUMBER:
            return int(value) if value.is_integer() else value
        case _:
            return value


def to_fact(column: Column, value: Any) -> Any:
    """A logical value as it stands in a record."""
    if value is None:
        return None
    match column.type:
        case Type.MONEY:
            return usd(value)
        case Type.MONEYS:
            return {part: usd(amount) for part, amount in value.items()}
        case Type.JSON:
            return msgspec.json.decode(value)
        case _:
            return value


def usd(pico: int) -> Decimal:
    """USD from a logical `Type.MONEY`."""
    return Decimal(pico).scaleb(-12)


def pico(amount: Decimal | int) -> int:
    """USD as a logical `Type.MONEY`, within its bounds."""
    return max(-MAX_PICO, min(MAX_PICO, int(Decimal(amount) * _PICO)))


def is_uuid(text: str) -> bool:
    """Whether a store can read a text as the id of a run."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _read(column: Column, records: Sequence[Record]) -> tuple[list[Any], bool]:
    """(values, whether they are already as they go to a store, which nearly all are)."""
    found: list[Any] | None
    group, dot, leaf = (column.path or column.name).partition(".")
    if _regular is not None and column.derive is None:
        found = _regular.column(list(records), group, leaf or None, column.type.value, column.optional)
        if found is not None:
            return found, True
    if column.derive is not None:
        values = list(map(column.derive, records))
    else:
        values = list(map(attrgetter(group), records))
        if dot:
            values = [None if value is None else getattr(value, leaf) for value in values]
    if _regular is not None and column.derive is not None:
        found = _regular.regular(values, column.type.value, column.optional)
        if found is not None:
            return found, True
    return values, False


def _repair(values: list[Any], column: Column, repairs: Repairs, one: Callable[[Any], tuple[Any, str]]) -> list[Any]:
    """Every value through `one`, which answers the value to keep and what was wrong with it, or nothing."""
    kept = []
    for index, value in enumerate(values):
        fixed, wrong = one(value)
        # What has no path is computed from facts that have one, and these are named already.
        if wrong and column.path and (warning := f"{wrong}:{column.path}") not in repairs[index]:
            repairs[index].append(warning)
        kept.append(fixed)
    return kept


def _encodable(texts: Iterable[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fix_text(value: str) -> tuple[str, str]:
    fixed = clean_text(value)
    return fixed, "" if fixed == value else "invalid_unicode"


def _texts(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return values if _encodable(values) else _repair(values, column, repairs, _fix_text)


def _fix_words(value: list[str]) -> tuple[list[str], str]:
    fixed = [clean_text(word) for word in value]
    return fixed, "" if fixed == value else "invalid_unicode"


def _text_lists(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    if _encodable(word for words in values for word in words):
        return values
    return _repair(values, column, repairs, _fix_words)


def _fix_labels(value: dict[str, str]) -> tuple[dict[str, str], str]:
    fixed = {clean_text(key): clean_text(text) for key, text in value.items()}
    return fixed, "" if fixed == value else "invalid_unicode"


def _labels(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    if _encodable(text for labels in values for item in labels.items() for text in item):
        return values
    return _repair(values, column, repairs, _fix_labels)


def _uuids(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return [_uuid(value, column) for value in values]


def _uuid(value: str, column: Column) -> str:
    # 36 characters with four hyphens and 32 hex digits between them; a regex or uuid.UUID costs three times this.
    if len(value) != 36 or value[8] + value[13] + value[18] + value[23] != "----":
        raise ValueError(f"{column.name} is not a UUID")
    try:
        bytes.fromhex(value[:8] + value[9:13] + value[14:18] + value[19:23] + value[24:])
    except ValueError:
        raise ValueError(f"{column.name} is not a UUID") from None
    return value.lower()


def _integers(low: int, high: int) -> Callable[[list[Any], Column, Repairs], list[Any]]:
    def fix(value: Any) -> tuple[int, str]:
        if isinstance(value, float) and math.isfinite(value):
            whole = round(value)
            wrong = "" if whole == value else "not_an_integer"
        elif isinstance(value, int) and not isinstance(value, bool):
            whole, wrong = value, ""
        else:
            raise TypeError(f"expected an integer, found {type(value).__name__}")
        if low <= whole <= high:
            return whole, wrong
        return max(low, min(high, whole)), "out_of_range"

    def clean(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
        if not values or (set(map(type, values)) == {int} and min(values) >= low and max(values) <= high):
            return values
        return _repair(values, column, repairs, fix)

    return clean


def _int_lists(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return [
        _CLEAN[Type.COUNT](list(value), column, [repairs[index]] * len(value)) for index, value in enumerate(values)
    ]


def _fix_number(value: Any) -> tuple[float | None, str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        return None, "out_of_range"
    return (number, "") if math.isfinite(number) else (None, "not_a_number")


def _numbers(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return _repair(values, column, repairs, _fix_number)


def _number_lists(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return [[float(number) for number in value] for value in values]


def _flags(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    if set(map(type, values)) - {bool}:
        raise TypeError(f"{column.name}: expected true or false")
    return values


def _fix_money(value: Decimal) -> tuple[int | None, str]:
    if not value.is_finite():
        return None, "not_a_number"
    # Seven digits before the point are enough to know, and 1e999999 cannot be multiplied.
    pico = round(value * _PICO) if value.adjusted() < 7 else (MAX_PICO + 1 if value else 0)
    if abs(pico) <= MAX_PICO:
        return pico, ""
    return (MAX_PICO if value > 0 else -MAX_PICO), "out_of_range"


def _moneys(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return _repair(values, column, repairs, _fix_money)


def _fix_parts(value: dict[str, Decimal]) -> tuple[dict[str, int], str]:
    kept, problem = {}, ""
    for name, amount in value.items():
        pico, wrong = _fix_money(amount)
        problem = problem or wrong
        if pico is not None:
            kept[clean_text(name)] = pico
    return kept, problem


def _money_maps(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    return _repair(values, column, repairs, _fix_parts)


def _fix_json(value: Any) -> tuple[bytes, str]:
    text, whole = encode_json(value)
    return text, "" if whole else "invalid_unicode"


def _json(values: list[Any], column: Column, repairs: Repairs) -> list[Any]:
    try:
        return list(map(encode_valid_json, values))
    except (UnicodeEncodeError, RecursionError):
        return _repair(values, column, repairs, _fix_json)


_CLEAN: Final[dict[Type, Callable[[list[Any], Column, Repairs], list[Any]]]] = {
    Type.WORD: _texts,
    Type.TEXT: _texts,
    Type.UUID: _uuids,
    Type.TIME: _integers(0, MAX_TIME),
    Type.COUNT: _integers(0, MAX_COUNT),
    Type.INTEGER: _integers(MIN_INTEGER, MAX_COUNT),
    Type.NUMBER: _numbers,
    Type.FLAG: _flags,
    Type.WORDS: _text_lists,
    Type.COUNTS: _int_lists,
    Type.NUMBERS: _number_lists,
    Type.LABELS: _labels,
    Type.MONEY: _moneys,
    Type.MONEYS: _money_maps,
    Type.JSON: _json,
}
