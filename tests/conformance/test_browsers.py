"""Pages in browsers ask first (CORS), without a key, and read the answer only where it names their origin."""

from __future__ import annotations

from tests.conformance.otlp_client import Answer, Served, serving
from tests.receiver.bodies import span, traces
from tests.receiver.servers import OneKey

CORS = {"allowed_origins": ["https://*.example.com"], "allowed_headers": ["X-Team"], "max_age": 7200}
PAGE = "https://shop.example.com"


async def preflight(served: Served, origin: str) -> Answer:
    return await served.http(
        b"",
        "",
        method="OPTIONS",
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type,x-team",
    )


async def test_a_preflight_needs_no_key_and_names_what_is_allowed() -> None:
    async with serving(OneKey(), http={"cors": CORS}) as served:
        answer = await preflight(served, PAGE)
    assert answer.code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "traceparent", "x-team"} <= set(allowed)


async def test_another_origin_is_told_nothing() -> None:
    async with serving(http={"cors": CORS}) as served:
        answer = await preflight(served, "https://evil.example.org")
    assert answer.code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_answer_to_an_export_names_the_origin_also_when_it_refuses() -> None:
    async with serving(OneKey(), http={"cors": CORS}) as served:
        good = await served.http(traces(span()), Origin=PAGE, Authorization="Bearer secret")
        bad = await served.http(traces(span()), Origin=PAGE)
    assert (good.code, bad.code) == (200, 401)
    for answer in (good, bad):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Vary"] == "Origin"
