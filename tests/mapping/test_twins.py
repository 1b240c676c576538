"""Calls that two instrumentations tell of without a parent, a trace or a response id in common (R5)."""

from __future__ import annotations

from itertools import permutations

import pytest

from spanledger.mapping.facts import Facts
from tests.mapping.build import Ledger, chat, span

RESPONSE = "chatcmpl-02922bbe54d1637f4bd3c451634e4"
FRAMEWORK, LIBRARY = "@traceloop/instrumentation-langchain", "@traceloop/instrumentation-openai"


def outer(number: int = 1, start: float = 0.0, end: float = 1.0, scope: str = FRAMEWORK) -> Facts:
    return chat(id=number, trace=number, start=start, end=end, scope=scope)


def inner(number: int = 2, start: float = 0.1, end: float = 0.9, tokens: tuple[int, int] = (56, 5)) -> Facts:
    return chat(
        id=number, trace=number, start=start, end=end, scope=LIBRARY, response_id=f"{RESPONSE}{number}", tokens=tokens
    )


@pytest.mark.parametrize("first", [0, 1])
def test_the_call_that_names_its_response_bills_whatever_comes_first(first: int) -> None:
    ledger = Ledger()
    for item in (outer(), inner())[:: 1 if first == 0 else -1]:
        ledger.add(item)

    assert ledger.billed() == {2: (56, 5)}


def test_of_two_without_an_id_the_innermost_bills() -> None:
    ledger = Ledger(outer(1), chat(id=2, trace=2, start=0.1, end=0.9, scope=LIBRARY))

    assert ledger.billed() == {2: (56, 5)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (outer(), outer(2, 0.1, 0.9)),  # the same instrumentation: two calls
        (outer(), inner(start=5.0, end=6.0)),  # one after the other
        (outer(), inner(start=0.9, end=2.0)),  # together for a moment only
        (outer(), inner(tokens=(56, 6))),
        (inner(1), inner(2)),  # two responses
    ],
)
def test_calls_that_differ_are_two_calls(one: Facts, other: Facts) -> None:
    assert len(Ledger(one, other).billed()) == 2


def test_three_alike_calls_of_which_one_is_told_twice_bill_three_times() -> None:
    items = [outer(1), inner(2), outer(3, 0.05, 1.05), outer(4, 0.06, 1.06)]

    for order in permutations(items):
        ledger = Ledger()
        for item in order:
            ledger.add(item)
        assert len(ledger.billed()) == 3


def test_the_late_half_of_a_logfire_stream_that_lost_its_parent_repeats_the_call() -> None:
    log = span(
        {
            "logfire.span_type": "log", "duration": 0.9, "request_data": '{"model":"gpt-4o"}',
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 56, "gen_ai.usage.output_tokens": 5,
        },
        name="streaming response", scope="logfire.openai", id=1, start=1.0, end=1.0,
    )  # fmt: skip

    ledger = Ledger(log, inner())

    assert ledger.billed() == {2: (56, 5)}
    assert ledger.run(1).duration_ns == 900_000_000


NATIVE, WRAPPER = "com.anthropic.sdk.python", "langtrace_python_sdk.instrumentation.anthropic"
CACHED = {"gen_ai.usage.cache_read.input_tokens": 128, "gen_ai.usage.cache_write.input_tokens": 64}
ASKED = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]'}


def native(trace: int = 1) -> Facts:
    return chat(CACHED, id=1, trace=trace, tokens=(403, 37), scope=NATIVE, response_id="msg_01L2mB6Wn6Feh0RfFkBc2Of9")


def wrapper(trace: int, start: float) -> Facts:
    return chat(ASKED, id=2, trace=trace, tokens=(211, 37), scope=WRAPPER, start=start, end=0.99)


@pytest.mark.parametrize("requests", [[[0], [1]], [[1], [0]], [[0, 1]]])
@pytest.mark.parametrize("start", [-0.01, 0.01])
@pytest.mark.parametrize("trace", [1, 2])
def test_a_view_that_leaves_the_cache_out_repeats_the_call_and_tells_its_messages(
    requests: list[list[int]], start: float, trace: int
) -> None:
    views = (native(), wrapper(trace, start))
    ledger = Ledger()
    for request in requests:
        ledger.add(*(views[place] for place in request))

    assert ledger.billed() == {1: (403, 37)}
    assert ledger.run(1).input == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def test_what_the_one_that_bills_tells_itself_stays() -> None:
    own = {"gen_ai.request.temperature": 0.5, "gen_ai.response.finish_reasons": ["stop"]}
    other = {"gen_ai.request.temperature": 0.1, "gen_ai.response.finish_reasons": ["length"], **ASKED}
    ledger = Ledger(
        chat(own, id=1, trace=1, scope=NATIVE, response_id=RESPONSE), chat(other, id=2, trace=2, scope=WRAPPER)
    )

    run = ledger.run(1)
    assert (run.params, run.finish_reasons, run.input is None) == ({"temperature": 0.5}, ["stop"], False)
