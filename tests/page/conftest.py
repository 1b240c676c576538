from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.applications import cannot
from tests.page.browser import chromium, watched_page
from tests.page.site import ROOT, Site, fill, site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "page":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(120))  # the first waits for the recordings


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def filled(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All tests read it. Who sends more uses a trace and names of one's own."""
    with site(tmp_path_factory.mktemp("site")) as running:
        fill(running)
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab on a desktop."""
    with watched_page(browser, viewport={"width": 1440, "height": 900}) as page:
        yield page


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with their dependencies, away from the repository."""
    npm = shutil.which("npm")
    if npm is None:
        cannot("needs node and npm, which are not installed")
    target: Path = tmp_path_factory.mktemp("web") / "web"
    shutil.copytree(ROOT / "web", target, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=target, check=True, capture_output=True)
    return target
