"""Coding agents whose session stands in log records alone (conventions §2.36)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spanledger.model.records import Run
from spanledger.model.span import LogRecord, Scope, Value
from tests.mapping.build import Attributes, Ledger, log, run_id, span

REQUEST = "req_011CKdMw6oBlofrZL7lUFajU"


def claude(
    event: str,
    attributes: Attributes | None = None,
    *,
    time: float = 1.0,
    trace: int | None = None,
    at: int | None = None,
) -> LogRecord:
    """A log record of Claude Code, whose numbers are words."""
    facts: dict[str, Value] = {"event.name": event, "session.id": "s1", "prompt.id": "p1", **(attributes or {})}
    record = log("", facts, body=f"claude_code.{event}", span=at, trace=trace, time=time)
    record.scope = Scope("com.anthropic.claude_code.events", "2.0")
    return record


def request(time: float = 2.0, *, trace: int | None = None, at: int | None = None) -> LogRecord:
    return claude(
        "api_request",
        {
            "model": "claude-sonnet-4-5", "cost_usd": "0.25", "duration_ms": "500", "request_id": REQUEST,
            "input_tokens": "2", "output_tokens": "10", "cache_read_tokens": "84562", "cache_creation_tokens": "7096",
        },
        time=time, trace=trace, at=at,
    )  # fmt: skip


def codex(event: str, attributes: Attributes | None = None, *, time: float = 1.0) -> LogRecord:
    facts: dict[str, Value] = {"event.name": f"codex.{event}", "conversation.id": "c1", **(attributes or {})}
    return log("", facts, span=None, trace=None, time=time)


def gemini(event: str, attributes: Attributes | None = None, *, time: float = 1.0) -> LogRecord:
    facts: dict[str, Value] = {"event.name": f"gemini_cli.{event}", "session.id": "g1", "prompt_id": "g1#0"}
    return log("", {**facts, **(attributes or {})}, span=None, trace=None, time=time)


def of_type(ledger: Ledger, kind: str) -> Run:
    (found,) = [run for run in ledger.runs if run.type == kind]
    return found


def test_case_93_a_claude_code_session_out_of_its_log_records() -> None:
    ledger = Ledger(
        claude("user_prompt", {"prompt": "Fix the test", "prompt_length": "12"}, time=0),
        request(),
        claude("tool_decision", {"tool_name": "Bash", "decision": "accept", "tool_use_id": "toolu_1"}, time=3),
        claude(
            "tool_result",
            {"tool_name": "Bash", "tool_parameters": '{"command":"ls"}', "success": "true", "tool_use_id": "toolu_1"},
            time=4,
        ),
    )

    turn, call, tool = (of_type(ledger, kind) for kind in ("agent", "llm", "tool"))
    assert (turn.name, turn.input, turn.session_id) == ("claude-code", "Fix the test", "s1")
    assert {call.parent_run_id, tool.parent_run_id} == {turn.run_id}
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == (2 + 84_562 + 7_096, 10)
    assert call.cost is not None
    assert call.cost.reported == Decimal("0.25")
    assert (call.provider, call.response_id, call.duration_ns) == ("anthropic", REQUEST, 500_000_000)
    assert (tool.name, tool.input, tool.status) == ("Bash", {"command": "ls"}, "success")
    assert tool.metadata["decision"] == "accept"
    assert [thread.session_id for thread in ledger.threads] == ["s1"]


def test_case_93_a_codex_session_out_of_its_log_records() -> None:
    ledger = Ledger(
        codex("conversation_starts", {"model": "gpt-5-codex"}, time=0),
        codex("user_prompt", {"prompt": "Fix the test"}, time=1),
        codex("sse_event", {"event.kind": "response.output_item.done"}, time=2),
        codex(
            "sse_event",
            {
                "event.kind": "response.completed", "model": "gpt-5-codex", "input_token_count": "120",
                "output_token_count": "30", "cached_token_count": "100", "reasoning_token_count": "20",
                "tool_token_count": "150",
            },
            time=3,
        ),
        codex(
            "tool_result",
            {"tool_name": "shell", "call_id": "call_1", "arguments": '{"cmd":"ls"}', "output": "a", "success": "false"},
            time=4,
        ),
    )  # fmt: skip

    turn, call, tool, prompt = (of_type(ledger, kind) for kind in ("agent", "llm", "tool", "chain"))
    assert (turn.name, turn.session_id, prompt.input) == ("codex", "c1", "Fix the test")
    assert {call.parent_run_id, tool.parent_run_id, prompt.parent_run_id} == {turn.run_id}
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == (120, 30)
    assert (call.usage.cache_read_tokens, call.usage.reasoning_tokens) == (100, 20)
    assert (tool.name, tool.input, tool.output, tool.status) == ("shell", {"cmd": "ls"}, "a", "error")
    assert tool.tool == {"name": "shell", "call_id": "call_1"}


def test_case_93_a_gemini_session_out_of_its_log_records() -> None:
    ledger = Ledger(
        gemini("user_prompt", {"prompt": "Fix the test"}, time=0),
        gemini(
            "api_response",
            {
                "model": "gemini-2.5-pro", "status_code": 200, "duration_ms": 900, "input_token_count": 100,
                "output_token_count": 10, "thoughts_token_count": 7, "tool_token_count": 3, "total_token_count": 120,
            },
            time=2,
        ),
        gemini("tool_call", {"function_name": "ls", "function_args": '{"dir":"."}', "success": True}, time=3),
    )  # fmt: skip

    turn, call, tool = (of_type(ledger, kind) for kind in ("agent", "llm", "tool"))
    assert {call.parent_run_id, tool.parent_run_id} == {turn.run_id}
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.reasoning_tokens) == (103, 17, 7)
    assert (call.provider, call.status) == ("gcp.gemini", "success")
    assert (tool.name, tool.input) == ("ls", {"dir": "."})


@pytest.mark.parametrize(
    "record",
    [
        claude("api_error", {"model": "claude-sonnet-4-5", "error": "Overloaded", "status_code": "529"}),
        codex("api_request", {"error.message": "Overloaded", "http.response.status_code": 529}),
        gemini("api_error", {"model": "gemini-2.5-pro", "error": "Overloaded", "status_code": 529}),
    ],
)
def test_a_request_that_failed_is_a_failed_model_call(record: LogRecord) -> None:
    (run,) = Ledger(record).runs

    assert (run.type, run.status, run.usage) == ("llm", "error", None)
    assert run.error is not None
    assert (run.error.message, run.error.code) == ("Overloaded", "529")


def test_a_codex_request_that_went_well_is_told_by_the_end_of_its_stream() -> None:
    assert Ledger(codex("api_request", {"http.response.status_code": 200})).runs == []


def test_the_order_of_records_and_their_redelivery_make_no_difference() -> None:
    records = [claude("user_prompt", {"prompt": "Hi"}, time=0), request()]
    forward, backward = Ledger(*records, *records), Ledger(*reversed(records))

    assert sorted(run.run_id for run in forward.runs) == sorted(run.run_id for run in backward.runs)
    assert len(forward.runs) == 2


@pytest.mark.parametrize("first", ["span", "log"])
def test_a_span_of_the_same_request_is_the_run_and_takes_the_records_cost(first: str) -> None:
    tokens: dict[str, Value] = {"input_tokens": 2, "output_tokens": 10}
    told = span(
        {"span.type": "llm_request", "model": "claude-sonnet-4-5", "request_id": REQUEST, **tokens},
        name="claude_code.llm_request",
        scope="com.anthropic.claude_code.tracing",
        id=7,
    )
    record = request(trace=1, at=7)
    items = (told, record) if first == "span" else (record, told)
    ledger = Ledger()
    for item in items:
        ledger.add(item)

    (run,) = ledger.runs
    assert run.run_id == run_id(7)
    assert run.cost is not None
    assert run.cost.reported == Decimal("0.25")


def test_a_span_and_a_record_of_one_request_in_different_traces_bill_once() -> None:
    told = span(
        {
            "span.type": "llm_request", "model": "claude-sonnet-4-5", "request_id": REQUEST, "input_tokens": 2,
            "output_tokens": 10, "cache_read_tokens": 84_562, "cache_creation_tokens": 7_096,
        },
        name="claude_code.llm_request",
        scope="com.anthropic.claude_code.tracing",
    )  # fmt: skip

    assert [run.billable for run in Ledger(told, request()).runs].count(True) == 1


def test_a_decision_without_the_id_of_its_call_is_no_run() -> None:
    assert Ledger(claude("tool_decision", {"tool_name": "Bash", "decision": "accept"})).runs == []


def test_a_record_without_a_session_or_a_trace_is_no_run() -> None:
    assert Ledger(log("codex.user_prompt", {"prompt": "Hi"}, span=None, trace=None)).runs == []


def test_an_event_of_another_program_with_a_short_name_is_no_run() -> None:
    assert Ledger(log("api_request", {"session.id": "s1"}, span=None, trace=None)).runs == []
