"""A ledger that asks for a key: the page asks for it, and forgets it with the tab."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from spanledger.config import default_text
from tests.cli.test_serve import until
from tests.page.browser import watched_page
from tests.page.site import Site, site, span

PRIVATE, PUBLIC = "private-key-of-a-project", "public-key-of-a-project"
CONFIG = f"""\
extensions:
  projects:
    projects:
      - {{id: default, public_keys: [{PUBLIC}], private_keys: [{PRIVATE}]}}
service:
  extensions: [health_check, file_storage, api, projects]
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "default.yaml").write_text(default_text())
    (folder / "keys.yaml").write_text(CONFIG)
    with site(folder, arguments=("--config", "default.yaml", "--config", "keys.yaml")) as running:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "behind-a-key"}
        spans = [span("a" * 32, "a" * 16, "chat", attributes)]
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {PUBLIC}"}
        request = urllib.request.Request(f"{running.otlp}/v1/traces", body, headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        until(lambda: running.runs(key=PRIVATE))
        yield running


def ask(page: Page, key: str) -> None:
    page.get_by_label("Private key").last.fill(key)
    page.get_by_role("button", name="Read the ledger").click()


def test_the_page_asks_until_the_key_fits(page: Page, guarded: Site) -> None:
    page.goto(guarded.url)
    expect(page.get_by_role("dialog")).to_be_visible()
    ask(page, "nonsense")
    expect(page.get_by_role("dialog")).to_contain_text("The API said:")
    ask(page, PRIVATE)

    expect(page.get_by_role("link", name="behind-a-key")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("link", name="behind-a-key")).to_be_visible()


def test_a_public_key_does_not_read(page: Page, guarded: Site) -> None:
    page.goto(guarded.url)
    ask(page, PUBLIC)

    expect(page.get_by_role("dialog")).to_contain_text("private key")
    expect(page.get_by_role("link", name="behind-a-key")).to_have_count(0)


def test_the_key_stays_in_its_tab(browser: Browser, guarded: Site) -> None:
    with watched_page(browser) as first:
        first.goto(guarded.url)
        ask(first, PRIVATE)
        expect(first.get_by_role("link", name="behind-a-key")).to_be_visible()
        assert PRIVATE not in first.url
        assert first.evaluate("JSON.stringify(localStorage) + document.cookie").find(PRIVATE) == -1
        second = first.context.new_page()
        second.goto(guarded.url)
        expect(second.get_by_role("dialog")).to_be_visible()
        second.close()
