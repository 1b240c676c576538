"""Threads, users and analytics of a ledger that tells of three people."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.examples import weather_trace
from tests.page.site import Site, site


@pytest.fixture(scope="module")
def people(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same conversation with each of them, a moment ago."""
    with site(tmp_path_factory.mktemp("people")) as running:
        for number, user in enumerate(("ana", "luka", "mira")):
            begin = int(time.time() * 1000) - 60_000 * (number + 1)
            running.send_spans(*weather_trace(f"{number + 1:032x}", user, begin))
        yield running


def test_a_thread_is_read_as_a_chat_and_leads_to_its_runs(page: Page, people: Site) -> None:
    page.goto(f"{people.url}/#/threads")
    expect(page.locator(".threads li")).to_have_count(3)
    page.get_by_role("link").filter(has_text="umbrella").first.click()

    expect(page.locator(".bubble.given").first).to_contain_text("Will I need an umbrella in Ljubljana?")
    expect(page.locator(".bubble.got").last).to_contain_text("Yes: 12.5 mm of rain are expected.")
    page.get_by_role("link", name="All its runs").click()
    expect(page.locator(".summary-line")).to_contain_text("4 runs")


def test_feedback_stands_at_the_answer(page: Page, people: Site) -> None:
    answer = next(run for run in people.runs(user="luka", type="llm"))
    people.send_feedback(answer["run_id"], {"thumb": "up", "comment": "Dry feet!"})

    page.goto(f"{people.url}/#/runs/{answer['run_id']}")

    expect(page.locator(".scores")).to_contain_text("up")
    expect(page.locator(".scores")).to_contain_text("Dry feet!")


def test_users_are_listed_and_lead_to_their_runs(page: Page, people: Site) -> None:
    page.goto(f"{people.url}/#/users")
    table = page.locator("table.plain")
    expect(table.locator("tbody th")).to_have_text(["ana", "luka", "mira"])
    expect(table.get_by_role("row").nth(1)).to_contain_text("2.52K")
    page.get_by_label("Search users by id").fill("mir")
    expect(table.locator("tbody th")).to_have_text(["mira"])
    page.get_by_role("link", name="mira").click()

    expect(page.locator(".summary-line")).to_contain_text("4 runs")


def test_analytics_sum_the_calls_and_draw_them(page: Page, people: Site) -> None:
    page.goto(f"{people.url}/#/analytics?range=24h")

    expect(page.locator(".figures div").filter(has_text="Calls")).to_contain_text("6")
    expect(page.locator(".chart canvas")).to_have_count(5)
    drawn = "canvas => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, 400, 150).data.buffer)).size"
    assert page.locator(".chart canvas").first.evaluate(drawn) > 1


def test_analytics_are_grouped(page: Page, people: Site) -> None:
    page.goto(f"{people.url}/#/analytics?range=24h")
    page.get_by_label("Groups").select_option("user")

    expect(page.locator("table.plain tbody tr")).to_have_count(3)
    expect(page.locator("table.plain tbody tr").first).to_contain_text(re.compile(r"(ana|luka|mira)\s*2"))
