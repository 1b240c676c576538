"""`service::mapping` in a running process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.serving import serving, span_body
from tests.cli.test_serve import address_of, listed, post, runs, until

PRICE = "{id: mine, model: gpt-4o, rates: {input: 1, output: 2}}"


def test_content_and_prices_are_those_of_the_configuration(tmp_path: Path) -> None:
    body = json.loads(span_body("00f067aa0ba902b7", "gpt-4o"))
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Tell nobody."}]}]
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"].append(
        {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps(messages)}}
    )
    sets = (
        "service.mapping.content=never",
        f"service.mapping.prices=[{PRICE}]",
        "exporters.clickhouse.payloads_ttl_days=0",  # the span is an old one
    )
    with serving(tmp_path, *sets) as process:
        assert post(f"http://{address_of(process, 'otlp over HTTP')}/v1/traces", json.dumps(body).encode()) == 200
        api = address_of(process, "api")
        (found,) = until(lambda: listed(api))
        shown: dict[str, Any] = json.loads(runs(api, "show", found["run_id"], "--json").output)

    assert (shown["input"], shown["warnings"]) == (None, ["content_not_captured"])
    assert (shown["usage"]["input_tokens"], shown["cost"]["total"]) == (42, "0.000056")
    assert shown["cost"]["price_ref"] == "override mine"
    assert "Tell nobody." not in json.dumps([found, shown])
