"""Durations and time to first token, in the unit that each dialect really writes."""

from __future__ import annotations

import pytest

from spanledger.model.records import to_dict
from spanledger.model.span import Event, Value
from tests.mapping.build import at, chat, event, only_run, span

MS = 1_000_000


def ttft_ms(facts: dict[str, Value], *, end: float | None = 2.0, events: list[Event] | None = None) -> float | None:
    """Time to first token in milliseconds of a call that took two seconds."""
    found = only_run(chat(facts, end=end, events=events or [])).ttft_ns
    return None if found is None else found / MS


def test_start_end_and_duration() -> None:
    run = only_run(chat(start=1, end=2.5))
    assert (run.started_at, run.ended_at, run.duration_ns) == (at(1), at(2.5), 1500 * MS)


def test_times_are_written_with_nine_digits() -> None:
    written = to_dict(only_run(chat(start=0.25, end=None)))
    assert (written["started_at"], written["ended_at"]) == ("2026-03-01T10:00:00.250000000Z", None)


def test_a_clock_that_jumped_back_gives_no_negative_duration() -> None:
    run = only_run(chat(start=2, end=1))
    assert (run.duration_ns, run.started_at, run.ended_at) == (0, at(2), at(1))
    assert run.warnings == ["negative_duration"]


def test_a_child_that_starts_before_its_parent_is_left_as_it_is() -> None:
    assert only_run(chat(start=-5, end=1, parent=9, id=2)).started_at == at(-5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.5),
        ("gen_ai.client.operation.time_to_first_chunk", 0.5),
        ("gen_ai.server.time_to_first_token", 0.5),
        ("gen_ai.latency.time_to_first_token", 0.5),
        ("lk.response.ttft", 0.5),
        ("gen_ai.response.time_to_first_chunk", "0.5"),
        ("ai.response.msToFirstChunk", 500),
        ("ai.stream.msToFirstChunk", 500),
        ("ttft_ms", "500"),
        ("copilot_chat.time_to_first_token", 500),
        ("trace.metadata.openrouter.first_token_ms", 500),
        ("langfuse.observation.completion_start_time", "2026-03-01T10:00:00.500Z"),
        ("langfuse.observation.completion_start_time", '"2026-03-01T10:00:00.500Z"'),
        ("langfuse.observation.completion_start_time", "2026-03-01T12:00:00.500+02:00"),
        ("langfuse.observation.completion_start_time", "2026-03-01T10:00:00.500"),
        ("mastra.completion_start_time", "2026-03-01T10:00:00.500Z"),
    ],
)
def test_units(key: str, value: Value) -> None:
    assert ttft_ms({key: value}) == 500


def test_strands_writes_milliseconds_under_a_key_whose_unit_is_seconds() -> None:
    assert ttft_ms({"gen_ai.server.time_to_first_token": 500.0}) == 500


@pytest.mark.parametrize("value", [5000.0, -1, 0, 0.0, "soon", True, float("nan"), float("inf")])
def test_what_cannot_be_is_dropped(value: Value) -> None:
    assert ttft_ms({"gen_ai.response.time_to_first_chunk": value}) is None


@pytest.mark.parametrize("value", ["2026-03-01T09:59:59Z", "2026-03-01T10:00:09Z", "yesterday", "", 7, ["x"]])
def test_an_instant_outside_of_the_call_is_dropped(value: Value) -> None:
    assert ttft_ms({"langfuse.observation.completion_start_time": value}) is None


@pytest.mark.parametrize(
    "name", ["First Token Stream Event", "gen_ai.content.completion.chunk", "ai.stream.firstChunk"]
)
def test_the_first_event_of_a_stream_tells(name: str) -> None:
    events = [event(name, time=0.75), event(name, time=0.5)]
    assert ttft_ms({}, events=events) == 500


def test_the_ai_sdks_event_carries_the_number() -> None:
    assert ttft_ms({}, events=[event("ai.stream.firstChunk", {"ai.response.msToFirstChunk": 400}, time=0.5)]) == 400


def test_an_attribute_beats_an_event() -> None:
    assert ttft_ms({"ai.response.msToFirstChunk": 400}, events=[event("ai.stream.firstChunk", time=0.5)]) == 400


def test_a_call_that_still_runs_may_have_a_first_token() -> None:
    assert ttft_ms({"gen_ai.response.time_to_first_chunk": 0.5}, end=None) == 500


def test_only_model_calls_have_a_first_token() -> None:
    facts = {"gen_ai.operation.name": "invoke_agent", "gen_ai.response.time_to_first_chunk": 0.5}
    assert only_run(span(facts)).ttft_ns is None
