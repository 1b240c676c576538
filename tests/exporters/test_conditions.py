"""What a comparison says of its value, before any store sees it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spanledger.exporters.conditions import TOTAL_TOKENS, Compare, Op


def test_texts_are_one_or_several() -> None:
    assert Compare("model", Op.EQ, "a").texts() == ["a"]
    assert Compare("model", Op.EQ, ("a", "b")).texts() == ["a", "b"]


def test_money_is_what_stores_hold() -> None:
    assert Compare("cost", Op.GE, Decimal("0.5")).number() == 500_000_000_000
    assert Compare("cost", Op.GE, 2).number() == 2_000_000_000_000
    assert Compare(TOTAL_TOKENS, Op.GE, 2).number() == 2


@pytest.mark.parametrize("compare", [Compare("model", Op.EQ, 7), Compare("model", Op.EQ)])
def test_a_text_never_compares_with_a_number(compare: Compare) -> None:
    with pytest.raises(TypeError, match="model compares with text, not int"):
        compare.texts()


@pytest.mark.parametrize("value", ["7", ("7",)])
def test_a_number_never_compares_with_a_text(value: str | tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match="duration_ns compares with a number"):
        Compare("duration_ns", Op.EQ, value).number()
