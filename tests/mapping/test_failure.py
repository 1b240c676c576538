"""Status and error of a run: what failed, what was cancelled, what was only interrupted."""

from __future__ import annotations

import pytest

from spanledger.mapping.facts import Facts
from spanledger.model.records import RunError
from spanledger.model.span import Value
from tests.mapping.build import Ledger, agent, chat, event, exception, log, only_run, span, tool


def error_of(facts: dict[str, Value], status: str = "unset") -> RunError | None:
    return only_run(chat(facts, status=status)).error


def test_a_span_that_ended_well_is_a_success() -> None:
    run = only_run(chat())
    assert (run.status, run.error) == ("success", None)


def test_a_span_that_has_not_ended_is_started() -> None:
    run = only_run(chat(end=None))
    assert (run.status, run.ended_at, run.duration_ns) == ("started", None, None)


def test_an_open_span_with_an_exception_has_failed() -> None:
    assert only_run(chat(end=None, events=[exception("RateLimitError")])).status == "error"


def test_the_status_of_the_span() -> None:
    run = only_run(span({"gen_ai.operation.name": "chat"}, status="error", message="boom"))
    assert (run.status, run.error) == ("error", RunError(message="boom"))


def test_an_exception_tells_type_message_and_stack() -> None:
    raised = event(
        "exception",
        {"exception.type": "openai.RateLimitError", "exception.message": "slow down", "exception.stacktrace": "at x"},
    )
    run = only_run(chat(status="error", events=[raised]))
    assert run.error == RunError(type="openai.RateLimitError", message="slow down", stack="at x")


def test_the_last_exception_counts_and_earlier_ones_are_kept() -> None:
    """A client that retried on its own recorded both."""
    first, last = exception("TimeoutError", "1st", time=0.2), exception("RateLimitError", "2nd", time=0.8)
    run = only_run(chat(status="error", events=[first, last]))
    assert run.error == RunError(type="RateLimitError", message="2nd")
    assert [kept["attributes"]["exception.type"] for kept in run.attributes["span.events"]] == ["TimeoutError"]


def test_an_exception_without_a_status_is_an_error() -> None:
    assert only_run(chat(events=[exception("ValueError", "x")])).status == "error"


def test_an_exception_on_a_span_that_says_ok_was_handled_and_is_kept() -> None:
    run = only_run(chat(status="ok", events=[exception("ValueError", "x")]))
    assert (run.status, run.error) == ("success", None)
    assert run.attributes["span.events"][0]["attributes"]["exception.type"] == "ValueError"


def test_an_exception_may_come_as_a_log_record() -> None:
    """Semantic conventions 1.41 move exceptions to logs."""
    ledger = Ledger(chat())
    ledger.add(log("gen_ai.client.operation.exception", {"exception.type": "APIError", "exception.message": "x"}))
    assert ledger.run(1).error == RunError(type="APIError", message="x")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"error.type": "RateLimitError"}, RunError(type="RateLimitError")),
        ({"error.type": "429"}, RunError(type="429", code="429")),
        ({"error.type": "E", "error.message": "m", "error.code": 500, "error.stack": "s"},
         RunError(type="E", message="m", code="500", stack="s")),
        ({"error.type": "E", "error.stack_trace": "s"}, RunError(type="E", stack="s")),
        ({"http.response.status_code": 429}, RunError(code="429")),
        ({"http.status_code": "503"}, RunError(code="503")),
        ({"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "boom"},
         RunError(message="boom")),
        ({"logfire.level_num": 17}, RunError()),
        ({"gcp.vertex.agent.llm_response": '{"error_code":"429"}', "error.type": "429"},
         RunError(type="429", code="429")),
    ],
)  # fmt: skip
def test_attributes_that_mean_an_error(facts: dict[str, Value], expected: RunError) -> None:
    assert error_of(facts) == expected


@pytest.mark.parametrize(
    "facts",
    [
        {"langfuse.observation.level": "WARNING", "langfuse.observation.status_message": "careful"},
        {"langfuse.observation.level": "DEFAULT"},
        {"logfire.level_num": 13},
        {"http.response.status_code": 200},
        {"error.type": ""},
        {"gen_ai.tool.status": "success"},
    ],
)
def test_attributes_that_do_not_mean_an_error(facts: dict[str, Value]) -> None:
    assert error_of(facts) is None


@pytest.mark.parametrize("facts", [{"error.type": "tool_error"}, {"http.response.status_code": 500}])
def test_a_status_of_ok_beats_attributes(facts: dict[str, Value]) -> None:
    assert only_run(agent_with(facts)).status == "success"


def agent_with(facts: dict[str, Value]) -> Facts:
    return span({"gen_ai.operation.name": "invoke_agent", **facts}, status="ok")


def test_the_exceptions_message_beats_the_attribute_which_beats_the_status() -> None:
    facts = {"error.message": "attribute"}
    assert only_run(chat(facts, status="error", events=[exception("E", "exception")])).error == RunError(
        type="E", message="exception"
    )
    run = only_run(span({"gen_ai.operation.name": "chat", **facts}, status="error", message="status"))
    assert run.error == RunError(message="attribute")


@pytest.mark.parametrize(
    ("facts", "scope"),
    [
        ({"gen_ai.tool.status": "error"}, "strands.telemetry.tracer"),
        ({"tool.status": "failed"}, ""),
        ({"lk.function_tool.is_error": True}, "livekit-agents"),
        ({"lk.function_tool.is_error": "true"}, "livekit-agents"),
        ({"gen_ai.tool.execution.success": False}, "openlit"),
    ],
)
def test_a_tool_that_failed_although_its_span_is_well(facts: dict[str, Value], scope: str) -> None:
    assert only_run(tool(facts, scope=scope)).status == "error"


@pytest.mark.parametrize(
    ("facts", "scope"),
    [({"lk.function_tool.is_error": False}, "livekit-agents"), ({"gen_ai.tool.execution.success": True}, "openlit")],
)
def test_a_tool_that_did_not_fail(facts: dict[str, Value], scope: str) -> None:
    assert only_run(tool(facts, scope=scope)).status == "success"


@pytest.mark.parametrize(
    "kind",
    ["asyncio.exceptions.CancelledError", "CancelledError", "AbortError", "GeneratorExit", "openai.APIUserAbortError"],
)
def test_what_the_user_stopped_is_cancelled(kind: str) -> None:
    run = only_run(chat(status="error", events=[exception(kind)]))
    assert run.status == "cancelled"
    assert run.error is not None
    assert run.error.type == kind


def test_a_status_text_alone_can_say_cancelled() -> None:
    run = only_run(span({"gen_ai.operation.name": "chat"}, status="error", message="AbortError: stopped"))
    assert run.status == "cancelled"


@pytest.mark.parametrize(
    "kind", ["langgraph.errors.GraphInterrupt", "CallDeferred", "ApprovalRequired", "ParentCommand"]
)
def test_what_waits_for_a_person_is_no_error(kind: str) -> None:
    run = only_run(tool(status="error", events=[exception(kind, "approve?")]))
    assert (run.status, run.error) == ("success", None)
    assert run.attributes["span.events"][0]["attributes"]["exception.type"] == kind


def test_a_childs_error_is_not_its_parents() -> None:
    ledger = Ledger(agent(id=1), tool(id=2, parent=1, status="error", events=[exception("ValueError")]))
    assert (ledger.run(1).status, ledger.run(2).status) == ("success", "error")


def test_of_retried_calls_each_is_a_run_and_only_the_last_bills() -> None:
    ledger = Ledger(
        agent(id=1),
        chat(id=2, parent=1, tokens=None, status="error", events=[exception("RateLimitError")]),
        chat(id=3, parent=1, tokens=None, status="error", events=[exception("RateLimitError")]),
        chat(id=4, parent=1, start=3, end=4),
    )
    assert [ledger.run(number).status for number in (1, 2, 3, 4)] == ["success", "error", "error", "success"]
    assert ledger.billed() == {4: (56, 5)}
    assert ledger.run(2).cost is None


def test_a_failed_call_with_tokens_still_bills() -> None:
    ledger = Ledger(chat(status="error", events=[exception("ContentFilter")]))
    assert ledger.billed() == {1: (56, 5)}
