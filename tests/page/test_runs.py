"""Someone looks for a run and finds out what happened."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.examples import TRACE, weather_trace
from tests.page.site import Site, span


@pytest.fixture(scope="module")
def weather(filled: Site) -> Site:
    filled.send_spans(*weather_trace())
    return filled


def names(page: Page) -> Locator:
    """The list, from above."""
    return page.locator("[role=table] .virtual .what a")


def test_the_newest_runs_come_first(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}")  # other tests send runs too

    for index, name in enumerate(["gpt-4o-mini", "forecast", "gpt-4o-mini", "umbrella-advisor"]):
        expect(names(page).nth(index)).to_have_text(name)


def test_a_run_is_opened_and_its_tool_call_read(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}")
    names(page).nth(2).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("gpt-4o-mini")
    expect(page.locator(".message.user")).to_contain_text("Will I need an umbrella in Ljubljana?")
    expect(page.locator(".reasoning")).to_contain_text("The forecast is what tells.")
    call = page.locator(".call")
    expect(call).to_contain_text("calls forecast")
    assert call.locator("dt").all_inner_texts() == ["city", "days"]
    assert call.locator("dd").all_inner_texts() == ["Ljubljana", "2"]
    expect(page.get_by_role("row", name="from cache")).to_have_text(re.compile("1,024"))
    expect(page.get_by_text("computed from the price list")).to_be_visible()


def test_its_trace_is_followed(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}&type=llm")
    page.get_by_role("link", name="gpt-4o-mini").first.click()
    page.get_by_role("link", name=re.compile("^Trace")).click()

    names = page.locator(".trace-name a")
    expect(names).to_have_text(["umbrella-advisor", "gpt-4o-mini", "forecast", "gpt-4o-mini"])
    page.get_by_role("button", name="Hide what umbrella-advisor calls").click()
    expect(names).to_have_text(["umbrella-advisor"])
    page.get_by_role("button", name="Show what umbrella-advisor calls").click()
    names.nth(2).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("forecast")
    expect(page.get_by_label("Callers").get_by_role("link")).to_have_text(["Runs", "umbrella-advisor"])


def test_a_result_bears_the_name_of_the_tool_that_was_called(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}&type=llm")
    page.get_by_role("link", name="gpt-4o-mini").first.click()

    expect(page.locator(".message.tool .call-head")).to_contain_text("returned forecast")
    expect(page.locator(".message.assistant b").last).to_have_text("12.5 mm")


def test_runs_are_filtered_by_user_and_the_filter_is_taken_off(page: Page, weather: Site) -> None:
    page.goto(weather.url)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Field").select_option("user")
    page.get_by_label("Value").fill("vesna@example.com")
    page.get_by_role("button", name="Add").click()

    expect(page.locator(".summary-line")).to_contain_text("4 runs")
    expect(names(page)).to_have_count(4)
    page.get_by_role("button", name="Remove filter user vesna@example.com").click()
    expect(page.locator(".summary-line")).not_to_contain_text(re.compile(r"^4 runs"))


def test_a_filter_stands_in_the_address(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}")
    page.get_by_label("Type").select_option("tool")

    expect(page.locator(".summary-line")).to_contain_text("1 runs")
    page.reload()
    expect(names(page)).to_have_text(["forecast"])


def test_the_list_is_read_with_the_keyboard_alone(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs?trace={TRACE}")
    expect(page.get_by_role("link", name="umbrella-advisor")).to_be_visible()
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator(":focus")).to_have_text("forecast")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("forecast")
    page.keyboard.press("2")
    expect(page.get_by_role("treegrid")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("table", name="Runs, newest first")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_run_that_arrives_appears_by_itself(page: Page, weather: Site) -> None:
    page.goto(weather.url)
    expect(page.get_by_role("link", name="umbrella-advisor")).to_be_visible()

    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "just-happened"}
    weather.send_spans(span("e" * 32, "e" * 16, "execute_tool", tool, start_ms=1_893_457_000_000))

    expect(page.get_by_role("link", name="just-happened")).to_be_visible()


def test_the_theme_is_switched_and_kept(page: Page, weather: Site) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(weather.url)
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"

    page.get_by_label("Dark").check()

    assert page.evaluate(paper) == "rgb(18, 20, 22)"
    page.reload()
    assert page.evaluate(paper) == "rgb(18, 20, 22)"
    page.get_by_label("As the system").check()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_a_run_that_is_not_there_is_told(page: Page, weather: Site) -> None:
    page.goto(f"{weather.url}/#/runs/00000000-0000-8000-8000-000000000000")

    expect(page.get_by_role("alert")).to_contain_text("no run has this id")
