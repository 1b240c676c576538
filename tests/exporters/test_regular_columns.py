"""Columns that are read compiled hold what those hold that are read in Python, in order or not."""

from __future__ import annotations

import importlib.util
import os
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.exporters import values
from spanledger.exporters.clickhouse.batch import prepare
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.schema import Column, Type
from spanledger.model.records import Run
from tests.exporters.records import runs

BUILT = importlib.util.find_spec("spanledger.exporters.regular") is not None
pytestmark = pytest.mark.skipif(
    not BUILT and "SPANLEDGER_REQUIRE_PEERS" not in os.environ, reason="the compiled columns are not built"
)

TEXTS = st.text(max_size=6) | st.text(st.characters(), max_size=4) | st.sampled_from(["", "gpt-4o", "\ud83d", "naïve"])
WHOLE = st.integers(-(2**65), 2**65) | st.sampled_from([0, -1, 2**63 - 1, 2**63, 9_214_646_400_000_000_001])
UUIDS = st.uuids().map(str) | st.sampled_from(["", "A" * 8 + "-0000-0000-0000-" + "0" * 12, "0" * 36, "é" * 36])
MONEYS = st.decimals() | st.decimals(-10, 10, places=12) | st.sampled_from([Decimal("999999.5"), Decimal("1E+999999")])
ODD = st.sampled_from([True, 1.0, 1.5, float("inf"), "x", b"x", 7, [], {}])
OF_TYPE: dict[Type, st.SearchStrategy[Any]] = {
    Type.WORD: TEXTS,
    Type.TEXT: TEXTS,
    Type.UUID: UUIDS,
    Type.TIME: WHOLE,
    Type.COUNT: WHOLE,
    Type.INTEGER: WHOLE,
    Type.NUMBER: st.floats(),
    Type.FLAG: st.booleans(),
    Type.WORDS: st.lists(TEXTS, max_size=3),
    Type.COUNTS: st.lists(WHOLE, max_size=3),
    Type.NUMBERS: st.lists(st.floats(), max_size=3),
    Type.LABELS: st.dictionaries(TEXTS, TEXTS, max_size=3),
    Type.MONEY: MONEYS,
    Type.MONEYS: st.dictionaries(TEXTS, MONEYS, max_size=3),
    Type.JSON: st.recursive(st.none() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)),
}


def outcome(column: Column, found: list[Any]) -> str:
    """The values and what was repaired, as text: True is not 1, NaN is NaN."""
    repairs: list[list[str]] = [[] for _ in found]
    records: list[Any] = [SimpleNamespace(x=value) for value in found]
    try:
        read = values.column_values(column, records, repairs)
    except Exception as error:
        return type(error).__name__
    return repr((read, repairs))


@pytest.mark.parametrize("type_", Type)
@pytest.mark.parametrize("optional", [False, True])
@given(data=st.data())
def test_values_of_every_type(type_: Type, optional: bool, data: st.DataObject) -> None:
    found = data.draw(st.lists(OF_TYPE[type_] | st.none(), max_size=4) | st.lists(OF_TYPE[type_] | ODD, max_size=3))
    column = Column("x", type_, "", "x", optional)
    assert outcome(column, found) == in_python(column, found)


def in_python(column: Column, found: list[Any]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "_regular", None)
        return outcome(column, found)


@given(st.lists(runs, min_size=1, max_size=3))
def test_inserts_of_any_runs(records: list[Run]) -> None:
    compiled, _ = prepare(records, "token")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "_regular", None)
        patch.setattr("spanledger.exporters.clickhouse.columns._filled", _filled)
        plain, _ = prepare(records, "token")
    for one, other in zip(compiled, plain, strict=True):
        names = insert_columns(one.table)[0]
        assert dict(zip(names, one.columns, strict=True)) == dict(zip(names, other.columns, strict=True))


def _filled(found: list[Any], missing: object) -> list[Any]:
    return [missing if value is None else value for value in found]
