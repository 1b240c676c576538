"""Lunary's ingest events to runs, threads and scores, as lunary-py and lunary-js send them."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.model.ids import run_id_of_client
from spanledger.model.records import Record, Run, RunError, Score, Thread
from spanledger.model.span import Value
from tests.mapping.build import PRICES, PROJECT, SECOND, T0

RUN = "8a7f3c1e-0000-4000-8000-000000000001"
PARENT = "8a7f3c1e-0000-4000-8000-000000000002"
THREAD = "8a7f3c1e-0000-4000-8000-000000000003"


def at(seconds: int) -> str:
    return f"2026-03-01T10:00:{seconds:02d}.000Z"


def event(what: str, kind: str | None = "llm", *, run: str = RUN, time: int = 0, **fields: Value) -> dict[str, Any]:
    return {"event": what, "type": kind, "runId": run, "timestamp": at(time), **fields}


START = event("start", name="gpt-4o", input=[{"role": "user", "content": "Hi"}], params={"temperature": 0.2})
END = event(
    "end",
    time=2,
    output={"role": "assistant", "content": "Hello"},
    tokensUsage={"prompt": 56, "completion": 5},
)


class Ingested:
    """A mapper and its records, each in its highest version."""

    def __init__(self, *batches: list[Value]) -> None:
        self._mapper = LunaryMapper(PRICES)
        self.runs: dict[str, Run] = {}
        self.threads: dict[str, Thread] = {}
        self.scores: dict[str, Score] = {}
        for batch in batches:
            self.add(*batch)

    def add(self, *events: Value) -> list[Record]:
        records = self._mapper.add(PROJECT, events)
        for record in records:
            if isinstance(record, Run):
                self.runs[record.run_id] = record
            elif isinstance(record, Thread):
                held = self.threads.get(record.thread_id)
                if held is None or record.version >= held.version:
                    self.threads[record.thread_id] = record
            elif isinstance(record, Score):
                self.scores[record.name] = record
        return records

    @property
    def run(self) -> Run:
        return self.runs[RUN]


def test_a_start_and_an_end_make_a_run() -> None:
    run = Ingested([START, END]).run
    assert (run.type, run.name, run.status, run.source) == ("llm", "gpt-4o", "success", "lunary")
    assert (run.started_at, run.duration_ns) == (T0, 2 * SECOND)
    assert (run.request_model, run.provider, run.params) == ("gpt-4o", "openai", {"temperature": 0.2})
    assert run.input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert run.output[0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens, run.billable) == (56, 5, True)
    assert run.cost is not None
    assert run.cost.total == Decimal("0.00019")


def test_a_start_alone_is_a_run_that_has_started() -> None:
    run = Ingested([START]).run
    assert (run.status, run.ended_at, run.usage, run.billable) == ("started", None, None, False)


def test_an_end_may_come_first_or_alone() -> None:
    ingested = Ingested([END])
    assert ingested.run.warnings == ["start_missing"]
    ingested.add(START)
    assert (ingested.run.warnings, ingested.run.started_at) == ([], T0)


def test_events_in_any_order_and_batches_make_the_same_runs() -> None:
    events = [
        event("start", "agent", run=PARENT, userId="u1", name="helper"),
        event("start", parentRunId=PARENT, time=1, name="gpt-4o"),
        event("end", time=2, tokensUsage={"prompt": 56, "completion": 5}),
        event("end", "agent", run=PARENT, time=3, output="done"),
    ]
    told = set()
    for order in itertools.permutations(events):
        ingested = Ingested(*([one] for one in order))
        told.add(
            tuple(
                (run.run_id, run.parent_run_id, run.user_id, run.status, run.started_at, run.ended_at, str(run.usage))
                for run in sorted(ingested.runs.values(), key=lambda run: run.run_id)
            )
        )
    assert len(told) == 1


def test_events_that_come_again_give_nothing_new() -> None:
    ingested = Ingested([START, END])
    assert ingested.add(START, END) == []


def test_a_run_keeps_its_uuid_and_any_other_id_becomes_one() -> None:
    assert RUN in Ingested([START]).runs
    ingested = Ingested([event("start", run="my-run")])
    assert set(ingested.runs) == {run_id_of_client(PROJECT, "my-run")}
    assert next(iter(ingested.runs.values())).external_id == "my-run"


@pytest.mark.parametrize("wrapped", [[START, END], [[START], [END]], [[START, END]]])
def test_events_may_be_wrapped_in_lists(wrapped: list[Value]) -> None:
    assert Ingested(wrapped).run.status == "success"


def test_names_of_fields_in_snake_case_are_read_too() -> None:
    told = {
        "event": "start",
        "type": "llm",
        "run_id": RUN,
        "parent_run_id": PARENT,
        "user_id": "u1",
        "timestamp": at(0),
    }
    run = Ingested([told]).run
    assert (run.parent_run_id, run.user_id) == (PARENT, "u1")


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("llm", "llm"),
        ("embed", "embed"),
        ("tool", "tool"),
        ("agent", "agent"),
        ("chain", "chain"),
        ("retriever", "retriever"),
        ("message", "chat"),
        ("levitation", "custom"),
    ],
)
def test_types(kind: str, type_: str) -> None:
    run = Ingested([event("start", kind, name="x")]).run
    assert (run.type, run.operation) == (type_, kind)


@pytest.mark.parametrize(
    "broken", [None, 7, "x", [], {}, {"event": "start"}, {"runId": RUN}, {"event": "start", "runId": ""}]
)
def test_what_is_no_event_is_passed_over(broken: Value) -> None:
    assert list(Ingested([broken, START]).runs) == [RUN]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-01T10:00:00Z", T0),
        ("2026-03-01T12:00:00+02:00", T0),
        ("2026-03-01T10:00:00", T0),
        (T0 // SECOND, T0),
        (T0 // 1_000_000, T0),
        (T0 // 1_000, T0),
        (T0, T0),
        (str(T0 // 1_000_000), T0),
        ("yesterday", 0),
        (-5, 0),
        (1e300, 0),
        (None, 0),
    ],
)
def test_timestamps(written: Value, read: int) -> None:
    assert Ingested([{**START, "timestamp": written}]).run.started_at == read


def test_an_error_event() -> None:
    failed = event(
        "error", time=1, error={"message": "slow down", "stack": "RateLimitError: slow down\n at x", "status": 429}
    )
    run = Ingested([START, failed]).run
    assert run.status == "error"
    assert run.error == RunError(
        type="RateLimitError", message="slow down", code="429", stack="RateLimitError: slow down\n at x"
    )


def test_tags_metadata_user_and_prompt() -> None:
    told = {
        "tags": "beta",
        "metadata": {"plan": "pro", "seats": 3, "none": None, "team": {"id": 7}},
        "userId": "u1",
        "userProps": {"email": "a@example.com"},
        "templateVersionId": 42,
    }
    run = Ingested([{**START, **told}]).run
    assert (run.tags, run.metadata) == (["beta"], {"plan": "pro", "seats": "3", "team": '{"id":7}'})
    assert (run.user_id, run.user_props, run.prompt) == ("u1", {"email": "a@example.com"}, {"version": "42"})


def test_a_child_takes_the_user_of_its_parent() -> None:
    ingested = Ingested([event("start", parentRunId=PARENT)])
    ingested.add(event("start", "agent", run=PARENT, userId="u1", name="helper"))
    assert (ingested.run.user_id, ingested.run.inherited) == ("u1", ["user_id"])


def test_a_run_that_names_itself_as_parent_has_none() -> None:
    assert Ingested([event("start", parentRunId=RUN)]).run.parent_run_id is None


def test_parents_in_a_circle_end_somewhere() -> None:
    ingested = Ingested(
        [event("start", "chain", parentRunId=PARENT), event("start", "chain", run=PARENT, parentRunId=RUN)]
    )
    assert len(ingested.runs) == 2


# --- usage ------------------------------------------------------------------------------------------------------------


def test_lunary_js_passes_anthropics_own_count_on_and_the_cache_stands_beside() -> None:
    end = event(
        "end",
        time=1,
        tokensUsage={"prompt": 10, "completion": 5, "promptCached": 80},
        metadata={"cacheReadInputTokens": 80, "cacheCreationInputTokens": 10},
    )
    run = Ingested([event("start", name="claude-haiku-4-5"), end]).run
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.cache_read_tokens, run.usage.cache_write_tokens) == (100, 80, 10)


def test_openais_cached_tokens_are_part_of_the_prompt() -> None:
    end = event("end", time=1, tokensUsage={"prompt": 100, "completion": 5, "promptCached": 80})
    run = Ingested([START, end]).run
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.cache_read_tokens) == (100, 80)


def test_a_stream_whose_chunks_lunary_py_counted_is_an_estimate() -> None:
    run = Ingested([START, event("end", time=1, tokensUsage={"prompt": None, "completion": 7})]).run
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens, run.usage.source) == (None, 7, "estimated")


def test_the_misspelt_usage_of_lunary_py_is_read() -> None:
    run = Ingested([START, event("end", time=1, tokenUsage={"prompt": 56, "completion": 5})]).run
    assert run.usage is not None
    assert run.usage.input_tokens == 56


# --- content ----------------------------------------------------------------------------------------------------------


def test_a_tool() -> None:
    start = event("start", "tool", name="get_weather", input='{"city":"Paris"}')
    run = Ingested([start, event("end", "tool", time=1, output={"output": "sunny"})]).run
    assert (run.name, run.input, run.output, run.tool) == (
        "get_weather",
        {"city": "Paris"},
        "sunny",
        {"name": "get_weather"},
    )


def test_a_retriever() -> None:
    end = event("end", "retriever", time=1, output=[{"id": "d1", "text": "Paris is in France"}])
    run = Ingested([event("start", "retriever", name="store", input="Paris"), end]).run
    assert (run.input, run.output) == ("Paris", [{"id": "d1", "content": "Paris is in France"}])


def test_an_embedding() -> None:
    start = event("start", "embed", name="text-embedding-3-small", input=["Paris", "Rome"])
    run = Ingested([start, event("end", "embed", time=1, tokensUsage={"prompt": 8, "completion": 0})]).run
    assert (run.input, run.output, run.billable) == (["Paris", "Rome"], None, True)


# --- threads and feedback ---------------------------------------------------------------------------------------------


def chat(role: str, content: str, *, run: str, time: int, **fields: Value) -> dict[str, Any]:
    message = {"role": role, "content": content}
    return event("chat", "message", run=run, time=time, parentRunId=THREAD, message=message, **fields)


def test_chat_events_make_a_thread() -> None:
    ingested = Ingested(
        [
            chat("user", "Hi", run=RUN, time=1, userId="u1", threadTags=["support"], threadMetadata={"plan": "pro"}),
            chat("assistant", "Hello", run=PARENT, time=2),
        ]
    )
    question, answer = ingested.runs[RUN], ingested.runs[PARENT]
    assert (question.type, question.session_id, question.parent_run_id) == ("chat", THREAD, None)
    assert question.input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert answer.output[0]["parts"] == [{"type": "text", "content": "Hello"}]
    (thread,) = ingested.threads.values()
    assert (thread.session_id, thread.user_id, thread.tags, thread.metadata) == (
        THREAD,
        "u1",
        ["support"],
        {"plan": "pro"},
    )
    assert thread.started_at == T0 + SECOND


def test_a_thread_starts_with_its_first_message_whatever_came_first() -> None:
    early, late = chat("user", "Hi", run=RUN, time=1), chat("user", "Bye", run=PARENT, time=9)
    for order in ([early, late], [late, early]):
        ingested = Ingested(*([one] for one in order))
        assert [thread.started_at for thread in ingested.threads.values()] == [T0 + SECOND]


def test_a_model_call_below_a_message_belongs_to_its_thread() -> None:
    other = "8a7f3c1e-0000-4000-8000-000000000004"
    ingested = Ingested([event("start", run=other, parentRunId=RUN, time=2)], [chat("user", "Hi", run=RUN, time=1)])
    run = ingested.runs[other]
    assert (run.session_id, run.parent_run_id, run.inherited) == (THREAD, RUN, ["session_id"])


def test_feedback_is_scores_by_the_user() -> None:
    told = event("feedback", None, feedback={"thumb": "up", "comment": "nice"}, time=5)
    ingested = Ingested([START, told])
    thumb, comment = ingested.scores["thumb"], ingested.scores["comment"]
    assert (thumb.run_id, thumb.value, thumb.comment, thumb.source) == (RUN, "up", "nice", "user")
    assert comment.value == "nice"


def test_the_old_spelling_of_a_thumb() -> None:
    assert Ingested([event("feedback", None, extra={"thumbs": "down"})]).scores["thumb"].value == "down"


def test_feedback_may_come_before_its_run() -> None:
    assert Ingested([event("feedback", None, feedback={"thumb": "up"})]).scores["thumb"].run_id == RUN


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_events_of_one_run_are_bounded() -> None:
    ingested = Ingested([START, *(event("update", metadata={"n": number}) for number in range(2000))])
    assert ingested.add(event("update", metadata={"late": True})) == []


@pytest.mark.parametrize(("limit", "value"), [("_MAX_RUNS", 5), ("_MAX_BYTES", 50_000)])
def test_runs_and_bytes_are_bounded(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"spanledger.mapping.lunary_events.{limit}", value)
    ingested = Ingested([START])
    for number in range(20):
        ingested.add(event("start", run=f"run-{number}", parentRunId=f"parent-{number}", input="x" * 10_000))
    ingested.add(END)
    assert ingested.run.warnings == ["start_missing"]


def test_a_parent_that_was_forgotten_is_not_asked_for_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.mapping.lunary_events._MAX_RUNS", 1)
    ingested = Ingested([event("start", parentRunId=PARENT)], [event("start", run="another")])
    records = ingested.add(event("start", "agent", run=PARENT, userId="u1", name="helper"))
    assert [record.run_id for record in records if isinstance(record, Run)] == [PARENT]


def test_an_end_counts_more_than_a_start_that_another_process_met() -> None:
    """Behind a load balancer start and end may meet different mappers; the store keeps the higher version."""
    begun, ended, whole = Ingested([START]).run, Ingested([END]).run, Ingested([END, START]).run

    assert begun.version < ended.version < whole.version
    assert ended.usage == whole.usage


def test_a_thumb_is_taken_back_by_null() -> None:
    ingested = Ingested([event("feedback", None, feedback={"thumb": "up"})])
    ingested.add(event("feedback", None, time=1, feedback={"thumb": None}))

    assert (ingested.scores["thumb"].value, list(ingested.scores)) == (None, ["thumb"])


def test_a_score_of_the_api_is_one() -> None:
    score = Ingested([event("score", None, score={"label": "quality", "value": 0.5, "comment": "so so"})]).scores[
        "quality"
    ]

    assert (score.value, score.comment, score.source, score.run_id) == (0.5, "so so", "api", RUN)
