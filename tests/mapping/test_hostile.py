"""Whatever stands in a span, no exception leaves the mapper and what comes out can be stored."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.mapping.facts import Facts
from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.model.received import Item
from spanledger.model.records import RUN_TYPES, Record, Run, Score, to_dict
from spanledger.model.span import Value
from tests.mapping.build import PRICES, PROJECT, Ledger, agent, chat, log, only_run, span
from tests.mapping.strategies import ingest_events, requests, spans

EXAMPLES = settings(
    max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@given(requests)
@EXAMPLES
def test_no_exception_leaves_the_mapper_and_records_hold_what_they_promise(request: list[Item]) -> None:
    ledger = Ledger()
    for record in [*ledger.add(*request[:3]), *ledger.add(*request[3:])]:
        check(record)


@given(requests, st.randoms(use_true_random=False))
@EXAMPLES
def test_the_order_of_arrival_does_not_show(request: list[Item], random: Any) -> None:
    whose = {(type(item), getattr(item, "trace_id", ""), getattr(item, "span_id", "")): item for item in request}
    once = list(whose.values())
    shuffled = list(once)
    random.shuffle(shuffled)
    one_by_one = Ledger()
    for item in shuffled:
        one_by_one.add(item)
    assert told(one_by_one) == told(Ledger(*once))


@given(spans(), spans())
@EXAMPLES
def test_of_two_deliveries_of_one_span_the_order_does_not_show(first: Facts, second: Facts) -> None:
    second.span_id, second.trace_id = first.span_id, first.trace_id
    one, other = Ledger(first), Ledger(second)
    one.add(second)
    other.add(first)
    assert told(one) == told(other)


@given(requests)
@EXAMPLES
def test_a_request_that_comes_again_gives_no_run_again(request: list[Item]) -> None:
    ledger = Ledger(*request)
    again = ledger.add(*request)
    assert [record for record in again if isinstance(record, Run)] == []


@given(st.lists(ingest_events, max_size=6))
@EXAMPLES
def test_no_exception_leaves_the_mapper_of_lunarys_events(events: list[dict[str, Any]]) -> None:
    mapper = LunaryMapper(PRICES)
    for record in [*mapper.add(PROJECT, events[:3]), *mapper.add(PROJECT, events[3:])]:
        check(record)
    assert [record for record in mapper.add(PROJECT, events) if isinstance(record, Run)] == []


def told(ledger: Ledger) -> Any:
    plain = [to_dict(run) for run in sorted(ledger.runs, key=lambda run: run.run_id) if not run.withdrawn]
    for run in plain:
        del run["version"], run["warnings"]
    return json.loads(msgspec.json.encode(plain))  # NaN equals NaN there


def check(record: Record) -> None:
    written = msgspec.json.encode(to_dict(record))
    assert json.loads(written)
    if isinstance(record, Score):
        assert record.name
    if not isinstance(record, Run):
        return
    assert record.type in RUN_TYPES
    assert record.status in ("success", "error", "cancelled", "started")
    assert record.run_id != record.parent_run_id
    assert record.duration_ns is None or record.duration_ns >= 0
    assert record.ttft_ns is None or record.duration_ns is None or 0 <= record.ttft_ns <= record.duration_ns
    assert not record.billable or record.usage is not None or record.cost is not None
    usage = record.usage
    if usage is not None:
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            counted = getattr(usage, name)
            assert counted is None or counted >= 0
        if usage.input_tokens is not None:
            assert (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0) <= usage.input_tokens
        if usage.output_tokens is not None:
            assert (usage.reasoning_tokens or 0) <= usage.output_tokens
    if record.cost is not None and record.cost.total is not None:
        assert record.cost.total >= 0
        assert not record.cost.parts or sum(record.cost.parts.values(), Decimal(0)) == record.cost.total
    assert all(isinstance(value, str) for value in record.metadata.values())


DEEP = 63


def nested(value: Value, wrap: str, depth: int = DEEP) -> Value:
    for _ in range(depth):
        value = {wrap: value}
    return value


@pytest.mark.parametrize(
    "wrap", ["output", "result", "inputs", "config", "input", "query", "documents", "kwargs", "node"]
)
@pytest.mark.parametrize("kind", ["chat", "execute_tool", "embeddings", "retrieval", "invoke_agent", "rerank"])
def test_values_as_deep_as_a_decoder_allows_are_mapped(wrap: str, kind: str) -> None:
    value = nested("x", wrap)
    facts = {"gen_ai.operation.name": kind, "input.value": value, "output.value": json.dumps(value), "metadata": value}
    check(only_run(span(facts)))


def test_an_amount_of_money_that_would_fill_the_memory_is_no_cost() -> None:
    run = only_run(chat({"gen_ai.usage.cost": "1e999999999"}))
    assert run.cost is not None
    assert run.cost.reported is None


def test_a_provider_that_falls_back_a_thousand_times_is_kept_as_a_name() -> None:
    assert only_run(chat(provider="fallback:" * 1000)).provider == "fallback:" * 1000


def test_an_index_that_only_looks_like_a_number_is_none() -> None:
    run = only_run(
        span(
            {
                "openinference.span.kind": "RETRIEVER",
                "retrieval.documents.².document.content": "x",
                "retrieval.documents.0.document.content": "Paris",
                "annotations.².annotation.name": "x",
            }
        )
    )
    assert run.output == [{"content": "Paris"}]


def test_an_agent_in_a_cycle_with_a_late_log_record_is_mapped() -> None:
    ledger = Ledger(agent(id=1, parent=2), agent(id=2, parent=1))
    ledger.add(log("gen_ai.user.message", {"content": "Hi"}, span=1))
    assert ledger.run(1).input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]


@pytest.mark.parametrize("field", ["id", "content", "tool_calls", "usage_metadata", "response_metadata", "type"])
@pytest.mark.parametrize("value", [5, None, "x", [1], {"a": [{}]}, True], ids=repr)
def test_a_framework_message_with_a_wrong_type_somewhere_is_read_as_far_as_it_goes(field: str, value: Value) -> None:
    body = {
        "id": "chatcmpl-8d2424850b11bb8413c5d901f2781",
        "content": "Hi",
        "response_metadata": {"finish_reason": "stop", "id": value},
        "usage_metadata": {"input_tokens": 56, "output_tokens": 5},
        "tool_calls": [{"id": value}],
        field: value,
    }
    dumped = {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "AIMessage"], "kwargs": body}
    state = json.dumps({"messages": [dumped, {"type": "ai", **body}, body]})
    step = {"traceloop.span.kind": "workflow", "traceloop.entity.input": state, "traceloop.entity.output": state}

    ledger = Ledger(span(step, id=1), chat(id=2, parent=1), chat(id=3, trace=2))

    assert len(ledger.runs) == 3
