"""Several model calls on one span: only the log records, one for each call, tell them apart."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from spanledger.mapping.facts import Facts
from spanledger.model.records import Run
from spanledger.model.span import LogRecord
from tests.mapping.build import Ledger, agent, event, log, run_id, span

DETAILS = "gen_ai.client.inference.operation.details"
MODEL = "gemini-2.5-flash"


def details(said: str, tokens: tuple[int, int], time: float) -> LogRecord:
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": said}]}]
    facts = {
        "gen_ai.output.messages": json.dumps(answer),
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
    }
    return log(DETAILS, facts, time=time)


def turn(kind: str = "LLM") -> Facts:
    """The span of an agent's turn as OpenInference makes it for ADK: the last call's facts over those of the first."""
    facts = {
        "openinference.span.kind": kind, "gen_ai.operation.name": "generate_content", "gen_ai.request.model": MODEL,
        "gen_ai.provider.name": "gcp.gemini", "gen_ai.usage.input_tokens": 222, "gen_ai.usage.output_tokens": 44,
    }  # fmt: skip
    return span(facts, name="invoke_agent WeatherBot", scope="gcp.vertex.agent", start=0.0, end=3.0)


FIRST, LAST = details("let me look", (211, 37), 1.0), details("it is mild", (222, 44), 2.9)


def told(run: Run) -> tuple[str, str | None, int | None, str]:
    assert run.usage is not None
    return run.type, run.request_model, run.usage.input_tokens, run.output[0]["parts"][0]["content"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_each_record_is_a_call_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    ledger = Ledger()
    for place in order:
        ledger.add((turn(), FIRST, LAST)[place])

    runs = sorted(ledger.runs, key=lambda run: run.started_at + (run.ended_at or 0))
    assert [told(run) for run in runs] == [("llm", MODEL, 211, "let me look"), ("llm", MODEL, 222, "it is mild")]
    assert all(run.billable for run in runs)


def test_calls_of_an_agents_span_stand_below_it_and_bill() -> None:
    ledger = Ledger(agent(id=1, tokens=(433, 81)), FIRST, LAST)

    below = [run for run in ledger.runs if run.parent_run_id == run_id(1)]
    assert [told(run)[2] for run in sorted(below, key=lambda run: run.started_at)] == [211, 222]
    assert not ledger.run(1).billable


def test_one_record_states_facts_of_its_span() -> None:
    assert len(Ledger(turn(), LAST).runs) == 1


def test_records_that_each_hold_a_part_of_one_call_are_one_call() -> None:
    parts = [
        event(DETAILS, {"gen_ai.system_instructions": '[{"type": "text", "content": "Be brief"}]'}, time=0.1),
        event(DETAILS, {"gen_ai.input.messages": '[{"role": "user", "content": "hi"}]'}, time=0.2),
        event(DETAILS, {"gen_ai.output.messages": '[{"role": "assistant", "content": "22C"}]'}, time=0.3),
    ]
    facts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    assert len(Ledger(span(facts, events=parts, scope="strands.telemetry.tracer")).runs) == 1
