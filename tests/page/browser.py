"""A real headless Chromium, and what it must never report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from tests.e2e.applications import cannot

WIDTHS = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1440, 900)}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of the machine: Debian's package."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        cannot("needs chromium, which is not installed")
    with sync_playwright() as playwright:
        # Root, as whom continuous integration runs, gets no sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A tab. It fails when a script throws, something is refused by the content security policy, anything opens a
    dialog, or anything is asked of another host."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    hosts: set[str] = set()

    def dismiss(dialog: Dialog) -> None:
        wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("pageerror", lambda error: wrong.append(f"threw {error}"))
    page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
    page.on("dialog", dismiss)
    page.on("request", lambda request: hosts.add(request.url.partition("//")[2].partition("/")[0]))
    yield page
    here = page.url.partition("//")[2].partition("/")[0]
    context.close()
    assert wrong == []
    assert {host for host in hosts if host != here and ":" in host} == set()


def _is_wrong(message: Any) -> bool:
    # An answer of the API that is an error is told there too; tests of errors look at the page.
    return message.type in ("error", "warning") and "Failed to load resource" not in message.text
