"""What the package's texts refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import click

from spanledger.cli import main

ROOT = Path(__file__).parents[1]
TEXTS = [*sorted((ROOT / "spanledger").rglob("*.py")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def test_every_page_that_is_named_exists() -> None:
    named = {page for text in TEXTS for page in re.findall(r"\bdocs/[a-z-]+\.md", text.read_text())}

    assert named
    assert [page for page in sorted(named) if not (ROOT / page).is_file()] == []


def test_no_message_tells_to_run_a_command_that_is_none() -> None:
    told = {name for text in TEXTS for name in re.findall(r"\brun `?spanledger ([a-z-]+)", text.read_text())}

    assert sorted(told - set(main.list_commands(click.Context(main)))) == []
