"""`spanledger map` with a configuration: what is kept of contents, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SECRET = "sk-abcdefghijklmnopqrstuvwx"
QUESTION = f"My key is {SECRET}. " + "Why? " * 30


def span(span_id: str, attributes: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]),
        **attributes,
    }
    values = {int: "intValue", str: "stringValue", bool: "boolValue", float: "doubleValue"}
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": span_id,
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1772359200000000000",
        "endTimeUnixNano": "1772359201000000000",
        "attributes": [{"key": key, "value": {values[type(value)]: value}} for key, value in facts.items()],
    }


@pytest.fixture
def mapped(run: Run) -> Any:
    """Maps spans under a configuration; the runs by the last digit of their span's id."""

    def map_(spans: list[dict[str, Any]], *sets: str) -> dict[str, Any]:
        Path("traces.json").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
        result = run("map", "traces.json", *(f"--set=service.mapping.{text}" for text in sets))
        assert result.exit_code == 0, result.output
        records = [json.loads(line) for line in result.output.splitlines()]
        return {record["span_id"][-1]: record for record in records if record["record"] == "run"}

    return map_


def said(run: dict[str, Any]) -> str | None:
    return run["input"] and str(run["input"][0]["parts"][0]["content"])


def test_everything_is_kept_unless_told_otherwise(mapped: Any) -> None:
    assert said(mapped([span("00000000000000a1", {})])["1"]) == QUESTION


@pytest.mark.parametrize(
    ("content", "first", "second"),
    [("always", QUESTION, QUESTION), ("opt_in", None, QUESTION), ("never", None, None)],
)
def test_whose_content_is_kept(content: str, first: str | None, second: str | None, mapped: Any) -> None:
    runs = mapped(
        [span("00000000000000a1", {}), span("00000000000000a2", {"observability": True})], f"content={content}"
    )

    assert (said(runs["1"]), said(runs["2"])) == (first, second)
    for run in runs.values():
        assert (run["usage"]["input_tokens"], run["cost"]["total"]) == (1000, "0.0026")
    assert ("content_not_captured" in runs["1"]["warnings"]) is (first is None)


def test_long_texts_are_cut(mapped: Any) -> None:
    run = mapped([span("00000000000000a1", {})], "max_content_bytes=64")["1"]

    assert said(run) == QUESTION[:64] + "…"
    assert "content_cut:input" in run["warnings"]


def test_what_a_pattern_finds_is_blacked_out(mapped: Any) -> None:
    run = mapped([span("00000000000000a1", {})], "redact=['sk-[a-z]{20,}', 'Why']")["1"]

    assert said(run) == QUESTION.replace(SECRET, "[redacted]").replace("Why", "[redacted]")
    assert SECRET not in json.dumps(run)
    assert "redacted:input" in run["warnings"]


def test_a_price_of_ones_own(mapped: Any) -> None:
    price = "prices=[{id: mine, model: 'gpt-4o.*', start: 2026-01-01, rates: {input: 1, output: 2}}]"

    cost = mapped([span("00000000000000a1", {"gen_ai.usage.cost": 0.5})], price)["1"]["cost"]

    assert (cost["total"], cost["source"], cost["price_ref"]) == ("0.00102", "override", "override mine")
    assert (cost["reported"], cost["computed"]) == ("0.5", "0.0026")


def test_lunarys_own_events_are_under_the_same_policy(run: Run) -> None:
    event = {
        "type": "llm", "event": "start", "runId": "a", "timestamp": "2026-03-01T10:00:00Z", "name": "gpt-4o",
        "input": [{"role": "user", "content": QUESTION}],
    }  # fmt: skip
    Path("ingest.json").write_text(json.dumps({"events": [event]}))

    (record,) = [json.loads(line) for line in run("map", "ingest.json").output.splitlines()]
    (without,) = [
        json.loads(line)
        for line in run("map", "ingest.json", "--set", "service.mapping.content=never").output.splitlines()
    ]

    assert (said(record), said(without)) == (QUESTION, None)


def test_what_a_receiver_would_refuse_is_told(run: Run) -> None:
    spans = [span("00f067aa0ba902b7", {}), span("0" * 16, {})]
    Path("traces.json").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))

    result = run("map", "traces.json")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.startswith("refused: span ")
    assert "span id is all zeros" in result.stderr


def test_a_mistake_in_the_configuration_is_told(run: Run) -> None:
    Path("traces.json").write_text("{}")
    result = run("map", "traces.json", "--set", "service.mapping.redact=['(']")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: invalid configuration: 1 error\n"
        "--set service.mapping.redact: service::mapping::redact::0: "
        "is no regular expression: missing ), unterminated subpattern at position 0\n"
        "    found         (\n"
    )
