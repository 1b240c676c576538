"""Nothing that a run holds becomes more than text."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.page.site import Site, span

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)>",
    "javascript:alert(3)",
    "</title></textarea><svg onload=alert(4)>",
    "```html\n<iframe srcdoc='<script>alert(5)</script>'></iframe>\n```",
    "**<b onclick=alert(6)>** `<i>`",
    "{{constructor.constructor('alert(7)')()}}",
    "\u202e\u0000\u001b[31m../../%2e%2e",
)
SVG = "PHN2ZyBvbmxvYWQ9ImFsZXJ0KDgpIi8+"
EVERYWHERE = " ".join(HOSTILE)
TRACE = "bad0bad0bad0bad0bad0bad0bad0bad0"


def hostile_span(number: int, text: str, trace_id: str = TRACE) -> dict[str, Any]:
    parts = [
        {"type": "text", "content": text},
        {"type": "reasoning", "content": text},
        {"type": "refusal", "content": text},
        {"type": "tool_call", "id": text, "name": text, "arguments": {text: text}},
        {"type": "uri", "modality": text, "mime_type": text, "uri": text},
        {"type": "uri", "modality": "image", "uri": "https://tracker.example.com/pixel.png"},
        {"type": "uri", "modality": "image", "uri": f"data:text/html,{text}"},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/svg+xml",
            "content": "PHN2ZyBvbmxvYWQ9ImFsZXJ0KDgpIi8+",
        },
        {"type": "blob", "modality": "image", "mime_type": f"image/png;{text}", "content": text},
        {"type": "file", "file_id": text, "mime_type": text},
        {"type": text, "value": {text: [text, {text: text}]}, "constructor": text, "__proto__": text},
    ]
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": text, "response": text, "is_error": True}]}
    said = [{"role": role, "name": text, "parts": parts} for role in ("system", "user", text)]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": text,
        "gen_ai.request.model": text,
        "gen_ai.response.model": text,
        "gen_ai.response.id": text,
        "gen_ai.agent.name": text,
        "gen_ai.input.messages": json.dumps([*said, result]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts, "finish_reason": text}]),
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": text, "description": text}]),
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 7,
        "user.id": text,
        "session.id": text,
        "langfuse.trace.tags": [text],
        "langfuse.trace.metadata.note": text,
        "lunary.tags": [text],
        text: text,
    }
    failed = {"code": 2, "message": text}
    thrown = {"exception.type": text, "exception.message": text, "exception.stacktrace": text}
    events = [
        {
            "timeUnixNano": "1772359200500000000",
            "name": "exception",
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in thrown.items()],
        }
    ]
    return span(trace_id, f"{number:016x}", text, attributes, parent="" if number == 1 else f"{1:016x}",
                start_ms=1_924_992_000_000 + number, status=failed, events=events)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(filled: Site) -> Site:
    """Every text in every field, and all of them together."""
    filled.send_spans(*(hostile_span(number, text) for number, text in enumerate((*HOSTILE, EVERYWHERE), 1)))
    return filled


def elements(page: Page) -> int:
    """Elements that only a text taken for HTML could have made."""
    injected = "script:not([src^='page/']), iframe, object, embed, [onerror], [onload], [onclick], main b b"
    return page.locator(injected).count() + page.locator("a[href^='javascript:'], a[href^='data:']").count()


def test_hostile_runs_are_shown_as_text(page: Page, hostile: Site) -> None:
    runs = hostile.runs(trace=TRACE)
    assert len(runs) > len(HOSTILE)
    for run in runs:
        for tab in ("", "/trace", "/raw"):
            page.goto(f"{hostile.url}/#/runs/{run['run_id']}{tab}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert elements(page) == 0


@pytest.mark.parametrize("view", ["runs", "threads", "users", "analytics?by=user&range=90d"])
def test_hostile_names_are_listed_as_text(view: str, page: Page, hostile: Site) -> None:
    page.goto(f"{hostile.url}/#/{view}")
    expect(page.get_by_text("Reading …")).to_have_count(0)

    assert elements(page) == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_address_is_no_more_than_a_filter(text: str, page: Page, hostile: Site) -> None:
    written = quote(text, safe="")
    for address in (f"runs?user={written}", f"runs?search={written}", f"runs/{written}", f"threads/{written}", written):
        page.goto(f"{hostile.url}/#/{address}")
        expect(page.get_by_text("Reading …")).to_have_count(0)
        assert elements(page) == 0


def test_linked_pictures_are_not_loaded_and_links_tell_nobody(page: Page, hostile: Site) -> None:
    page.goto(f"{hostile.url}/#/runs/{hostile.runs(trace=TRACE, type='llm')[0]['run_id']}")

    link = page.get_by_role("link", name="https://tracker.example.com/pixel.png").first
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    assert page.locator("main img").count() == 0
