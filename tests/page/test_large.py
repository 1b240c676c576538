"""A ledger of 100,000 runs in the browser: only what is in sight is drawn, and everything can be reached."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.site import ROOT, Site, site

RUNS = 100_000
DRAWN = 80
"""Rows that are drawn at most: those in sight, and a few above and below."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("large")
    fill = [sys.executable, "-m", "benchmarks.ledger", "--runs", str(RUNS), "--fill", str(folder / "chdb")]
    subprocess.run(fill, cwd=ROOT, check=True, capture_output=True)
    with site(folder, f"exporters.clickhouse.endpoint=chdb://{folder / 'chdb'}") as running:
        yield running


def rows(page: Page) -> Locator:
    return page.locator("[role=table] .virtual [role=row]")


@pytest.mark.timeout(300)  # the first fills the ledger
def test_the_list_draws_what_is_in_sight(page: Page, large: Site) -> None:
    page.goto(large.url)
    expect(rows(page).first).to_be_visible()

    assert rows(page).count() < DRAWN
    for _ in range(5):
        before = page.locator("[role=table] .virtual").bounding_box()
        assert before is not None
        page.evaluate("document.querySelector('.scroller').scrollTop = 1e9")
        page.wait_for_function(
            "before => document.querySelector('[role=table] .virtual').clientHeight > before", arg=before["height"]
        )
    assert rows(page).count() < DRAWN


def test_a_filter_finds_its_runs_among_all(page: Page, large: Site) -> None:
    (run,) = large.runs(limit="1", type="tool")
    page.goto(f"{large.url}/#/runs?user={run['user_id']}&type=tool")

    expect(page.get_by_role("link", name="get_weather").first).to_be_visible()
    expect(page.locator(".summary-line")).to_contain_text(re.compile(r"^\d+ runs"))


def test_a_text_is_searched_in_all(page: Page, large: Site) -> None:
    page.goto(large.url)
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("travel planner")
    page.keyboard.press("Enter")

    expect(page.get_by_role("link", name="travel planner").first).to_be_visible()
    expect(page.get_by_role("link", name="get_weather")).to_have_count(0)


@pytest.mark.parametrize("view", ["threads", "users", "analytics"])
def test_the_other_views_read_it_too(view: str, page: Page, large: Site) -> None:
    page.goto(f"{large.url}/#/{view}")

    expect(page.get_by_text("Reading …")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#main")).to_contain_text("$")
