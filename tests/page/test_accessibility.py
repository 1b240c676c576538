"""What axe finds, on every view, in the light and in the dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.page.browser import WIDTHS, watched_page
from tests.page.examples import TRACE, weather_trace
from tests.page.site import Site

VIEWS = (
    "runs",
    "runs/{run}",
    "runs/{run}/trace",
    "runs/{run}/raw",
    "threads",
    "threads/{session}",
    "users",
    "analytics",
)


@pytest.fixture(scope="module")
def places(filled: Site) -> dict[str, str]:
    """What stands for a name in an address."""
    filled.send_spans(*weather_trace())
    run = filled.runs(trace=TRACE, type="llm")[0]
    return {"run": run["run_id"], "session": run["session_id"]}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_accessible(
    view: str, theme: Any, browser: Browser, web: Path, filled: Site, places: dict[str, str]
) -> None:
    with watched_page(browser, color_scheme=theme, viewport={"width": 1440, "height": 900}) as page:
        page.goto(f"{filled.url}/#/{view.format_map(places)}")
        expect(page.get_by_text("Reading …")).to_have_count(0)
        page.evaluate((web / "node_modules" / "axe-core" / "axe.min.js").read_text())

        found = page.evaluate("axe.run()")

        assert [f"{wrong['id']}: {wrong['nodes'][0]['html'][:300]}" for wrong in found["violations"]] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_into_every_width(
    view: str, width: str, browser: Browser, filled: Site, places: dict[str, str], tmp_path: Path
) -> None:
    across, down = WIDTHS[width]
    with watched_page(browser, viewport={"width": across, "height": down}) as page:
        page.goto(f"{filled.url}/#/{view.format_map(places)}")
        expect(page.get_by_text("Reading …")).to_have_count(0)
        page.screenshot(path=tmp_path / f"view-{width}.png")  # for people to look at

        assert page.evaluate("document.getElementById('main').scrollWidth") <= across
        assert page.evaluate("document.documentElement.scrollWidth") <= across
