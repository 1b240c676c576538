"""The compiled blocks are, byte for byte, those that the driver writes."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.schema import TABLES

BUILT = importlib.util.find_spec("spanledger.exporters.clickhouse.native") is not None
pytestmark = pytest.mark.skipif(
    not BUILT and "SPANLEDGER_REQUIRE_PEERS" not in os.environ, reason="the compiled blocks are not built"
)

TEXTS = st.text(max_size=8) | st.sampled_from(["", "gpt-4o", "naïve", "x" * 200])
WORDS = st.sampled_from(["", "llm", "tool", "é", *(f"word {number}" for number in range(20))])
COUNTS = st.integers(0, 2**63 - 1)
WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "String": TEXTS,
    "LowCardinality(String)": WORDS,
    "UUID": st.uuids().map(str),
    "DateTime64(9, 'UTC')": COUNTS,
    "UInt64": COUNTS,
    "UInt32": st.integers(0, 2**32 - 1),
    "Int64": WHOLE,
    "Float64": st.floats(),
    "Bool": st.booleans(),
    "UInt8": st.sampled_from([0, 1]),
    "Array(LowCardinality(String))": st.lists(WORDS, max_size=3),
    "Array(UInt64)": st.lists(COUNTS, max_size=3),
    "Array(Float64)": st.lists(st.floats(), max_size=3),
    "Map(LowCardinality(String), String)": st.dictionaries(WORDS, TEXTS, max_size=3),
    "Map(LowCardinality(String), Int64)": st.dictionaries(WORDS, WHOLE, max_size=3),
}


def block(names: Sequence[str], types: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
    compiled: Callable[..., bytes] = importlib.import_module("spanledger.exporters.clickhouse.native").block
    return compiled(names, types, columns)


def by_the_driver(names: Sequence[str], types: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
    context = InsertContext("t", names, [get_from_name(name) for name in types], columns, column_oriented=True)
    _, _, written = b"".join(NativeTransform.build_insert(context)).partition(b"FORMAT Native\n")
    return written


def used_types() -> list[str]:
    noted_by_migrations = "UInt32"  # without it the driver would write that row, and load pandas for it
    return sorted({noted_by_migrations, *(type_ for table in TABLES for type_ in insert_columns(table)[1])})


@pytest.mark.parametrize("type_", used_types())
@settings(deadline=None)
@given(data=st.data())
def test_columns_of_every_type_in_use_are_written_alike(type_: str, data: st.DataObject) -> None:
    plain = type_.removeprefix("Nullable(").removesuffix(")") if type_.startswith("Nullable") else type_
    values = VALUES[plain] | st.none() if type_.startswith("Nullable") else VALUES[plain]
    column = data.draw(st.lists(values, min_size=1, max_size=6))
    assert block(["a", "naïve"], [type_, type_], [column, column[::-1]]) == by_the_driver(
        ["a", "naïve"], [type_, type_], [column, column[::-1]]
    )


@pytest.mark.parametrize("words", [1, 255, 256, 300, 70_000])
def test_words_are_numbered_in_as_many_bytes_as_it_takes(words: int) -> None:
    column = [f"word {number}" for number in range(words)]
    types = ["LowCardinality(String)"]
    assert block(["a"], types, [column]) == by_the_driver(["a"], types, [column])


def test_json_text_is_written_as_it_is() -> None:
    assert block(["a"], ["String"], [[b'{"a":1}', b""]]) == by_the_driver(["a"], ["String"], [[b'{"a":1}', b""]])


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("UUID", "not an id"),
        ("UUID", "0" * 33),
        ("UUID", 7),
        ("UInt64", -1),
        ("UInt64", 2**64),
        ("UInt32", 2**32),
        ("Int64", 2**63),
        ("Int64", "7"),
        ("Float64", "1"),
        ("String", 7),
        ("String", "\ud800"),
        ("Array(UInt64)", 7),
        ("Map(LowCardinality(String), String)", []),
    ],
)
def test_a_value_of_another_type_is_refused(type_: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        block(["a"], [type_], [[value]])


def test_a_type_that_no_table_of_the_ledger_has_is_left_to_the_driver() -> None:
    native = importlib.import_module("spanledger.exporters.clickhouse.native")
    assert native.writes(used_types())
    assert not native.writes(["UInt64", "Decimal(18, 4)"])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="b has another number of values"):
        block(["a", "b"], ["UInt64", "UInt64"], [[1, 2], [1]])
