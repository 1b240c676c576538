"""docs/columns.md lists exactly the columns that there are."""

from __future__ import annotations

from pathlib import Path

from spanledger.exporters.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "columns.md"


def test_the_page_is_made_from_the_schema() -> None:
    assert PAGE.read_text() == page(), "run: python -m spanledger.exporters.reference > docs/columns.md"
