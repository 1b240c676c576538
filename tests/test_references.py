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


MEASURED = re.compile(
    r"\d ?(?:µs|us|microseconds|ns)\b|\d[\d,.]* (?:spans|rows|requests|runs) (?:a|per) (?:CPU )?second|"
    r"\d(?:\.\d+)? times (?:as fast|faster|slower|cheaper|the Collector)|\d ?% (?:faster|slower|cheaper|of the CPU)"
)


def test_measured_figures_stand_nowhere_but_in_the_output_of_the_benchmarks() -> None:
    """They hold for one machine on one day; `make bench` prints those of the reader's."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *ROOT.glob("*.md")]
    told = [
        f"{page.relative_to(ROOT)}: {line}"
        for page in [*pages, ROOT / "benchmarks" / "README.md"]
        if page.name != "CHANGELOG.md"
        for line in page.read_text().splitlines()
        if MEASURED.search(line)
    ]

    assert told == []
    assert MEASURED.search("decodes a span in 6.4 µs")
    assert MEASURED.search("takes 120,000 spans per second")
