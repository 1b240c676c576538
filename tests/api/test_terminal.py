"""How runs look in a terminal: the text, at a fixed width."""

from __future__ import annotations

import io
import textwrap
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console, RenderableType

from spanledger.api import figures
from spanledger.api.terminal import run_page, runs_table, trace_tree
from spanledger.model.ids import uuid8
from spanledger.model.records import Cost, Run, RunError, Usage
from tests.exporters.records import as_json, make_run, make_score

NOW = 1_772_359_300_000_000_000
AGENT, CALL, TOOL = uuid8("agent"), uuid8("call"), uuid8("tool")


def shown(renderable: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, color_system=None).print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def expected(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def call(**facts: Any) -> Run:
    defaults: dict[str, Any] = {
        "run_id": CALL,
        "parent_run_id": AGENT,
        "name": "gpt-4o",
        "request_model": "gpt-4o",
        "model": "gpt-4o-2024-08-06",
        "started_at": NOW - 42_000_000_000,
        "duration_ns": 1_240_000_000,
        "usage": Usage(input_tokens=1234, output_tokens=56, cache_read_tokens=1024, reasoning_tokens=12),
        "cost": Cost(
            total=Decimal("0.000105"), parts={"input": Decimal("0.0001")}, source="priced", price_ref="list 1"
        ),
        "billable": True,
        "user_id": "user-1",
        "session_id": "session-1",
    }
    return make_run(**(defaults | facts))


AGENT_RUN = make_run(
    run_id=AGENT,
    type="agent",
    name="travel agent",
    model=None,
    started_at=NOW - 7_200_000_000_000,
    duration_ns=125_000_000_000,
    usage=Usage(input_tokens=1234, output_tokens=56),
    cost=Cost(total=Decimal("12.5"), source="reported"),
)
TOOL_RUN = make_run(
    run_id=TOOL,
    parent_run_id=AGENT,
    type="tool",
    name="get_weather",
    model=None,
    status="error",
    error=RunError(type="TimeoutError", message="took too long", code="504", stack="Traceback…"),
    started_at=NOW - 5_000_000,
    duration_ns=350_000_000,
)


def test_a_list_in_eighty_columns() -> None:
    runs = [as_json(run) for run in (TOOL_RUN, call(), AGENT_RUN)]

    assert shown(runs_table(runs, now_ns=NOW, width=80), 80) == expected(
        f"""
        id        type   name          model               tokens       cost   took  age
        {TOOL[:8]}  tool   ✗ get_weath…                                         350ms  now
        {CALL[:8]}  llm    gpt-4o        gpt-4o-2024…    1,234 → 56  $0.000105  1.24s  42s
        {AGENT[:8]}  agent  travel agent                (1,234 → 56)   ($12.50)  2m05s   2h
        """
    )


def test_a_wide_list_shows_who_and_whole_ids() -> None:
    head, line = shown(runs_table([as_json(call())], now_ns=NOW, width=160), 160).splitlines()

    assert head.split() == ["id", "type", "name", "model", "tokens", "cost", "took", "age", "user", "session"]
    assert line == f"{CALL}  llm   gpt-4o  gpt-4o-2024-08-06  1,234 → 56  $0.000105  1.24s  42s  user-1  session-1"


def test_nobody_has_no_column() -> None:
    head = shown(runs_table([as_json(call(user_id=None))], now_ns=NOW, width=160), 160).splitlines()[0]

    assert head.split() == ["id", "type", "name", "model", "tokens", "cost", "took", "age", "session"]


def test_an_unknown_cost_without_usage_is_counted_nowhere() -> None:
    aborted = call(usage=None, billable=False, cost=Cost(total=None, source="unknown_usage"))

    assert "\ncost  unknown, unknown usage\n" in shown(run_page(as_json(aborted))) + "\n"


def test_an_empty_list_says_so() -> None:
    assert shown(runs_table([], now_ns=NOW, width=80)) == "no runs"


def test_a_list_keeps_each_run_in_one_line_whatever_its_name() -> None:
    hostile = as_json(call(name="a\nb\x1b[2J[red]" + "x" * 500, user_id="\x9b1m"))

    lines = shown(runs_table([hostile], now_ns=NOW, width=120), 120).splitlines()

    assert len(lines) == 2
    assert "a⏎b␛[2J[red]xxx" in lines[1]
    assert all(len(line) <= 120 for line in lines)


def test_a_model_call_as_a_page() -> None:
    run = call(
        provider="openai",
        ttft_ns=200_000_000,
        tokens_per_second=53.8,
        finish_reasons=["stop"],
        inherited=["user_id"],
        tags=["demo"],
        dialects=["openlit"],
        input=[
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "What is the [bold]weather[/bold] in \x1b[31mRome?"},
                    {"type": "uri", "modality": "image", "uri": "https://example.com/rome.png"},
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "The tool knows."},
                    {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Rome"}},
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"celsius": 21}}]},
        ],
        output=[{"role": "assistant", "finish_reason": "stop", "parts": [{"type": "text", "content": "21 °C."}]}],
        tools=[{"name": "get_weather", "description": "Weather of a city", "parameters": {}}],
        params={"temperature": 0.5},
        metadata={"plan": "free"},
        warnings=["usage_conflict"],
        trace_id="a" * 32,
    )
    scores = [as_json(make_score(run, "thumb", "up", comment="nice", source="user"))]

    assert shown(run_page(as_json(run), [], scores), 80) == expected(
        f"""
        ✓ llm gpt-4o
        run         {CALL}
        started     2026-03-01 10:00:58.000 UTC
        took        1.24s, first token after 200ms, 53.8 tokens/s
        provider    openai
        model       gpt-4o-2024-08-06 (asked for gpt-4o)
        finished    stop
        user        user-1 (inherited)
        session     session-1
        tags        demo
        written by  openlit
        trace       {"a" * 32}

        conversation ───────────────────────────────────────────────────────────────────
        system
          Be brief.
        user
          What is the [bold]weather[/bold] in ␛[31mRome?
          [image  https://example.com/rome.png]
        assistant
          The tool knows.
          → get_weather {{"city": "Rome"}}  c1
        tool
          ← {{"celsius": 21}}  c1
        assistant  stop
          21 °C.

        tools offered ──────────────────────────────────────────────────────────────────
        get_weather  Weather of a city

        usage and cost ─────────────────────────────────────────────────────────────────
        input tokens   1,234 (of which cache read 1,024)
        output tokens  56 (of which reasoning 12)
        cost           $0.000105, priced
        of which       input $0.0001
        price          list 1

        params ─────────────────────────────────────────────────────────────────────────
        temperature  0.5

        metadata ───────────────────────────────────────────────────────────────────────
        plan  free

        scores ─────────────────────────────────────────────────────────────────────────
        thumb  up  nice  (user)

        warnings ───────────────────────────────────────────────────────────────────────
        usage_conflict
        """
    )


def test_a_failed_tool_as_a_page_with_its_trace() -> None:
    run = as_json(TOOL_RUN) | {"input": {"city": "Rome"}}
    related = [as_json(found) for found in (TOOL_RUN, call(), AGENT_RUN)]

    assert shown(run_page(run, related), 80) == expected(
        f"""
        ✗ tool get_weather
        run      {TOOL}
        started  2026-03-01 10:01:39.995 UTC
        took     350ms
        status   error
        trace    {TOOL_RUN.trace_id}

        error ──────────────────────────────────────────────────────────────────────────
        TimeoutError 504: took too long
        Traceback…

        contents ───────────────────────────────────────────────────────────────────────
        input
          {{"city": "Rome"}}

        trace ──────────────────────────────────────────────────────────────────────────
        trace 3 runs
        └── agent travel agent  (1,234 → 56)  ($12.50)  2m05s
            ├── llm gpt-4o  gpt-4o-2024-08-06  1,234 → 56  $0.000105  1.24s
            └── ▶ tool ✗ get_weather  350ms
        """
    )


def test_unknown_usage_and_cost_are_not_zero() -> None:
    run = call(usage=Usage(output_tokens=0, source="estimated"), cost=Cost(source="unknown_model"), billable=False)

    page = shown(run_page(as_json(run)))

    assert "output tokens  0\n" in page
    assert "input tokens" not in page
    assert "counted as     estimated\n" in page
    assert "cost           unknown (counted elsewhere), unknown model" in page
    assert shown(runs_table([as_json(run)], now_ns=NOW, width=80)).splitlines()[1].split()[4:7] == ["(–", "→", "0)"]


def test_contents_that_have_expired_are_mentioned() -> None:
    run = as_json(call()) | {"payload_expired": True}

    assert "its contents have passed their retention" in shown(run_page(run))


def test_a_trace_with_missing_parents_and_circles_shows_every_run_once() -> None:
    orphan = call(run_id=uuid8("1"), parent_run_id=uuid8("nobody"), name="orphan", model="orphan", started_at=NOW)
    one = call(run_id=uuid8("2"), parent_run_id=uuid8("3"), name="one", model="one", started_at=NOW + 1)
    other = call(run_id=uuid8("3"), parent_run_id=uuid8("2"), name="other", model="other", started_at=NOW + 2)
    self_parent = call(run_id=uuid8("4"), parent_run_id=uuid8("4"), name="self", model="self", started_at=NOW + 3)

    tree = shown(trace_tree([as_json(run) for run in (orphan, one, other, self_parent)]))

    facts = "  1,234 → 56  $0.000105  1.24s"
    assert tree == expected(
        f"""
        trace 4 runs
        ├── llm orphan{facts}
        ├── llm one{facts}
        │   └── llm other{facts}
        └── llm self{facts}
        """
    )


def test_a_deep_trace_needs_no_recursion() -> None:
    runs = [
        as_json(call(run_id=uuid8(str(depth)), parent_run_id=uuid8(str(depth - 1)), started_at=NOW + depth))
        for depth in range(1500)
    ]

    assert shown(trace_tree(runs), 200).startswith("trace 1500 runs")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "–"),
        ("0", "$0"),
        ("0.000000000001", "$0.000000000001"),
        ("0.000105", "$0.000105"),
        ("0.0123456", "$0.0123"),
        ("0.5", "$0.5"),
        ("0.9999", "$1"),
        ("1", "$1.00"),
        ("1234.567", "$1,234.57"),
        ("-0.25", "$-0.25"),
    ],
)
def test_money(amount: str | None, text: str) -> None:
    assert figures.money(amount) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (None, ""),
        (0, "0µs"),
        (999_000, "999µs"),
        (1_000_000, "1ms"),
        (999_400_000, "999ms"),
        (999_600_000, "1.00s"),
        (59_990_000_000, "59.99s"),
        (59_999_000_000, "1m00s"),
        (3_599_000_000_000, "59m59s"),
        (11_520_000_000_000, "3h12m"),
    ],
)
def test_duration(nanoseconds: int | None, text: str) -> None:
    assert figures.duration(nanoseconds) == text
