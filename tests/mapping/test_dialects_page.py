"""docs/dialects.md is what the tables say."""

from __future__ import annotations

from pathlib import Path

from spanledger.mapping.dialects.document import render

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text() == render(), "run `python -m spanledger.mapping.dialects > docs/dialects.md`"
