"""docs/configuration.md lists exactly the settings that exist."""

from __future__ import annotations

from pathlib import Path

from spanledger.config.reference import rewrite, tables

DOCUMENT = Path(__file__).parent.parent / "docs" / "configuration.md"


def test_the_tables_are_those_of_the_settings() -> None:
    text = DOCUMENT.read_text()
    assert rewrite(text) == text, "run: .venv/bin/python -m spanledger.config.reference docs/configuration.md"


def test_every_component_is_documented() -> None:
    text = DOCUMENT.read_text()
    assert [name for name in tables() if f"<!-- settings: {name} -->" not in text] == []


def test_every_setting_says_what_it_means() -> None:
    silent = [row for table in tables().values() for row in table.splitlines()[2:] if row.endswith("|  |")]
    assert silent == []
