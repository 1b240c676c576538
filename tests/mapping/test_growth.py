"""Work grows in step with what was sent, whatever its shape: nobody can buy hours of CPU with one body.

Python's own work is counted in executed lines, which no machine's mood changes. Work inside C (comparing, copying)
is compared as CPU time of one size with eight times that size: a linear step gives 8, a quadratic one 64.
"""

from __future__ import annotations

import gc
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from spanledger.model.received import Item
from tests.mapping.build import Ledger, agent, chat, event, infrastructure, log, span, tool

RESPONSE = "chatcmpl-AzN4XpGm2fT7wQkL9sVb"
SMALL, LARGE = 20, 160
serial = itertools.count()
"""Makes a name new to every cache."""
GENEROUS = 1.5


def lines_run(items: Sequence[Item]) -> int:
    """Lines of Python that a fresh mapper executes for one request."""
    ledger = Ledger(chat())
    return lines_of(lambda: ledger.add(*items))


def lines_of(work: Callable[[], object]) -> int:
    """Lines of Python that are executed for it."""
    count = 0

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal count
        count += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def cpu(items: Callable[[], Sequence[Item]]) -> float:
    """Least CPU time of several tries, without garbage collection: that takes as long as the process is large."""
    times = []
    for _ in range(3):
        ledger, request = Ledger(chat()), items()
        gc.disable()
        try:
            started = time.process_time()
            ledger.add(*request)
            times.append(time.process_time() - started)
        finally:
            gc.enable()
    return min(times)


def nested_calls(n: int) -> list[Item]:
    return [chat(id=i, parent=i - 1 or None) for i in range(1, n)]


def nested_agents_with_usage(n: int) -> list[Item]:
    return [agent(id=i, parent=i - 1 or None, tokens=(9, 9)) for i in range(1, n)]


def agents_around_partial_calls(n: int) -> list[Item]:
    partial = {"gen_ai.usage.partial.input_tokens": 3}
    calls = [chat(partial, id=n + i, parent=i) for i in range(1, n)]
    return [*nested_agents_with_usage(n), *calls]


def calls_inside_nested_noise(n: int) -> list[Item]:
    noise = [infrastructure(id=i, parent=i - 1 or None) for i in range(1, n)]
    return [*noise, *(chat(id=n + i, parent=n - 1) for i in range(1, n))]


def siblings_below_noise_whose_parent_is_missing(n: int) -> list[Item]:
    return [infrastructure(id=1, parent=999_999), *(chat(id=i, parent=1) for i in range(2, n))]


def gateways_below_one_client(n: int) -> list[Item]:
    return [chat(id=1), *(chat(id=i, parent=1, kind="server") for i in range(2, n))]


def one_response_id_in_one_trace(n: int) -> list[Item]:
    return [chat(id=i, response_id=RESPONSE) for i in range(1, n)]


def one_response_id_in_many_traces(n: int) -> list[Item]:
    return [chat(trace=i, response_id=RESPONSE) for i in range(2, n)]


def parts_of_one_run(n: int) -> list[Item]:
    parts = [span(name="claude_code.tool.execution", id=i, parent=1) for i in range(2, n)]
    return [tool(id=1), *parts]


def calls_inside_one_wrapper(n: int) -> list[Item]:
    inner = {"mastra.span.type": "model_inference", "gen_ai.request.model": "gpt-4o"}
    return [span({"mastra.span.type": "model_step"}, id=1), *(span(inner, id=i, parent=1) for i in range(2, n))]


def a_cycle(n: int) -> list[Item]:
    return [agent(id=i, parent=i % (n - 1) + 1) for i in range(1, n)]


def a_body_of_many_threads(n: int) -> list[Item]:
    return [chat({"session.id": f"s{i}"}, id=i) for i in range(1, n)]


def log_records_of_one_span(n: int) -> list[Item]:
    return [log("gen_ai.user.message", {"content": f"message {i}"}, time=i / 100) for i in range(n)]


def said(*messages: tuple[str, list[dict[str, Any]]]) -> str:
    return json.dumps([{"role": role, "parts": parts} for role, parts in messages])


ASKED = ("user", [{"type": "text", "content": "Weather in Rome?"}])
CALLED = ("assistant", [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Rome"}}])
RETURNED = ("tool", [{"type": "tool_call_response", "id": None, "response": "22"}])


def calls_alike_that_lost_their_answers(n: int) -> list[Item]:
    lost = {"gen_ai.input.messages": said(ASKED), "gen_ai.output.messages": said(("assistant", []))}
    later = {"gen_ai.input.messages": said(ASKED, CALLED, RETURNED)}
    return [chat(lost if i % 2 else later, trace=i, start=i) for i in range(1, n)]


def requests_alike_that_lost_their_calls(n: int) -> list[Item]:
    first = {"gen_ai.input.messages": said(ASKED), "gen_ai.output.messages": said(CALLED)}
    later = {"gen_ai.input.messages": said(ASKED, ("assistant", []), RETURNED)}
    return [chat(later if i % 2 else first, trace=i, start=i) for i in range(1, n)]


def steps_alike_in_traces_of_their_own(n: int) -> list[Item]:
    answer = {"type": "ai", "content": "22", "response_metadata": {"finish_reason": "stop"}}
    state = {"messages": [{**answer, "usage_metadata": {"input_tokens": 56, "output_tokens": 5}}]}
    step = {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": json.dumps({"messages": [{"role": "user", "content": "Weather in Rome?"}]}),
        "traceloop.entity.output": json.dumps(state),
    }
    answered = {
        "gen_ai.input.messages": said(ASKED),
        "gen_ai.output.messages": said(("assistant", [{"type": "text", "content": "22"}])),
    }
    return [span(step, trace=i, end=9) if i % 2 else chat(answered, trace=i) for i in range(1, n)]


def tool_spans_alike_beside_calls_without(n: int) -> list[Item]:
    asked = {"gen_ai.output.messages": said(CALLED)}
    told = {"gen_ai.input.messages": said(ASKED, CALLED, RETURNED)}
    executed = {"gen_ai.tool.call.arguments": '{"city": "Rome"}'}
    made: list[Item] = [chat(asked, trace=n + 1, response_id=RESPONSE), chat(told, trace=n + 2, start=5)]
    return [*made, *(tool(executed, name="weather", trace=i) for i in range(1, n))]


@pytest.mark.parametrize(
    "items",
    [
        calls_alike_that_lost_their_answers,
        requests_alike_that_lost_their_calls,
        steps_alike_in_traces_of_their_own,
        tool_spans_alike_beside_calls_without,
        nested_calls,
        nested_agents_with_usage,
        agents_around_partial_calls,
        calls_inside_nested_noise,
        siblings_below_noise_whose_parent_is_missing,
        gateways_below_one_client,
        one_response_id_in_one_trace,
        one_response_id_in_many_traces,
        parts_of_one_run,
        calls_inside_one_wrapper,
        a_cycle,
        a_body_of_many_threads,
        log_records_of_one_span,
    ],
)
def test_python_does_as_much_more_as_there_are_more_spans(items: Callable[[int], list[Item]]) -> None:
    small, large = lines_run(items(SMALL)), lines_run(items(LARGE))
    assert large < small * LARGE / SMALL * GENEROUS


def test_noise_below_a_call_costs_the_same_however_many_runs_its_trace_has() -> None:
    def lines(runs: int) -> int:
        ledger = Ledger(*(chat(id=i) for i in range(1, runs)))
        return lines_of(lambda: ledger.add(infrastructure(id=runs, parent=1)))

    lines(1)  # what names mean is remembered
    assert lines(LARGE) == lines(SMALL)


def tags(n: int) -> list[Item]:
    return [chat({"tag.tags": [f"tag {i}" for i in range(n)]})]


def tags_of_two_documents(n: int) -> list[Item]:
    return [chat({f"ai.telemetry.metadata.{key}": [f"{key} {i}" for i in range(n)] for key in ("tags", "lunary_tags")})]


def a_provider_of_dots(n: int) -> list[Item]:
    return [chat(provider="." * n + str(next(serial)))]


def a_provider_that_falls_back_and_back(n: int) -> list[Item]:
    return [chat(provider="fallback:" * n + str(next(serial)))]


def log_records_of_one_instant(n: int) -> list[Item]:
    return [log("gen_ai.user.message", {"content": f"message {i}"}) for i in range(n)]


def finish_reasons(n: int) -> list[Item]:
    answers = [f'{{"role":"assistant","parts":[],"finish_reason":"reason {i}"}}' for i in range(n)]
    return [chat({"gen_ai.output.messages": f"[{','.join(answers)}]"})]


def system_messages_beside_instructions(n: int) -> list[Item]:
    said = ",".join(f'{{"role":"system","content":"rule {i}"}}' for i in range(n))
    instructions = " ".join(f"law {i}" for i in range(n))
    return [chat({"gen_ai.input.messages": f"[{said}]", "gen_ai.system_instructions": instructions})]


def parameters(n: int) -> list[Item]:
    return [chat({f"ai.settings.number{i}": i for i in range(n)})]


def unknown_attributes(n: int) -> list[Item]:
    return [chat({f"unknown.{i}": "x" for i in range(n)})]


def turns_without_calls(n: int) -> list[Item]:
    turns = [("assistant", []), RETURNED] * n
    return [chat({"gen_ai.input.messages": said(ASKED, *turns)}, id=1), chat(id=2)]


def results_without_ids(n: int) -> list[Item]:
    calls = ("assistant", [{**CALLED[1][0], "id": f"call_{i}"} for i in range(n)])
    return [chat({"gen_ai.input.messages": said(ASKED, calls, *[RETURNED] * n)})]


def span_events(n: int) -> list[Item]:
    return [chat(events=[event("gen_ai.user.message", {"content": str(i)}, time=i / 1000) for i in range(n)])]


def a_span_twice_with_many_events(n: int) -> list[Item]:
    events = [event("log", {"line": i}) for i in range(n)]
    return [chat(events=events), chat({"late": True}, events=[event("log", {"line": -i}) for i in range(n)])]


@pytest.mark.parametrize(
    ("items", "size"),
    [
        (tags, 2000),
        (tags_of_two_documents, 1000),
        (a_provider_of_dots, 1000),
        (a_provider_that_falls_back_and_back, 1000),
        (log_records_of_one_instant, 500),
        (finish_reasons, 1000),
        (system_messages_beside_instructions, 500),
        (parameters, 2000),
        (unknown_attributes, 2000),
        (turns_without_calls, 500),
        (results_without_ids, 500),
        (span_events, 300),
        (a_span_twice_with_many_events, 500),
    ],
)
def test_cpu_grows_in_step_with_the_size_of_a_span(items: Callable[[int], list[Item]], size: int) -> None:
    small, large = cpu(lambda: items(size)), cpu(lambda: items(8 * size))
    assert large < max(small, 0.001) * 28
