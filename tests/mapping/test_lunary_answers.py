"""What the states of LangChain's chains tell of model calls in Lunary's events."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.model.records import Run
from spanledger.model.span import Value
from tests.mapping.build import PRICES, PROJECT

RESPONSE = "chatcmpl-a0900568e83028dc57d3228e83096"
CHAIN, CALL, NEXT = "chain-1", "call-1", "chain-2"


def event(kind: str, what: str, run: str, time: int, **fields: Value) -> dict[str, Any]:
    return {"type": kind, "event": what, "runId": run, "timestamp": f"2026-03-01T10:00:0{time}Z", **fields}


def answer(said: str = "It is mild.", response_id: str = RESPONSE) -> dict[str, Value]:
    kwargs = {
        "content": said,
        "id": response_id,
        "tool_calls": [],
        "usage_metadata": {"input_tokens": 25, "output_tokens": 12},
        "response_metadata": {"finish_reason": "stop", "model_name": "gpt-4o-mini-2024-07-18"},
    }
    return {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "AIMessage"], "kwargs": kwargs}


def call(run: str = CALL, said: str = "It is mild.") -> list[Value]:
    usage = {"prompt": 25, "completion": 12}
    return [
        event("llm", "start", run, 1, parentRunId=CHAIN, name="gpt-4o-mini", input=[{"role": "user", "content": "?"}]),
        event("llm", "end", run, 2, output={"role": "assistant", "content": said}, tokensUsage=usage),
    ]


EVENTS = [
    event("chain", "start", CHAIN, 0, name="graph"),
    *call(),
    event("chain", "start", NEXT, 3, parentRunId=CHAIN, name="parser", input=answer()),
]


def runs_of(*batches: list[Value]) -> dict[str, Run]:
    mapper = LunaryMapper(PRICES)
    kept: dict[str, Run] = {}
    for batch in batches:
        for record in mapper.add(PROJECT, batch):
            if isinstance(record, Run) and record.version >= getattr(kept.get(str(record.external_id)), "version", 0):
                kept[str(record.external_id)] = record
    return kept


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_next_step_knows_the_response_in_whatever_order_events_come(order: tuple[int, ...]) -> None:
    run = runs_of(*([EVENTS[place]] for place in order))[CALL]

    assert (run.response_id, run.model, run.finish_reasons) == (RESPONSE, "gpt-4o-mini-2024-07-18", ["stop"])


def test_where_two_calls_said_the_same_nothing_is_taken() -> None:
    runs = runs_of([*EVENTS, *call("call-2")])

    assert (runs[CALL].response_id, runs["call-2"].response_id) == (None, None)


def test_an_answer_that_no_call_gave_completes_none() -> None:
    runs = runs_of([*EVENTS[:3], event("chain", "start", NEXT, 3, parentRunId=CHAIN, input=answer("It is hot."))])

    assert runs[CALL].response_id is None


def test_trees_do_not_tell_of_each_other() -> None:
    elsewhere = event("chain", "start", NEXT, 3, name="parser", input=answer())

    assert runs_of([*EVENTS[:3], elsewhere])[CALL].response_id is None
