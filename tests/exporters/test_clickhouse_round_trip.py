"""What is written comes back the same."""

from __future__ import annotations

import uuid

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from spanledger.exporters.schema import TABLES
from spanledger.exporters.store import RunFilter
from spanledger.model.records import Cost, Metric, Run, Thread, Usage
from tests.exporters.ledger import Ledger
from tests.exporters.records import PROJECT, as_json, make_run, make_score, recent, runs


def test_every_field_of_every_record_has_a_column() -> None:
    wanted: dict[type, set[str]] = {record: set(record.__struct_fields__) for record in {t.record for t in TABLES}}
    wanted[Run] -= {"usage", "cost"}
    wanted[Run] -= {"withdrawn", "without_contents"}  # these say what to do with the row, not what is in it
    wanted[Run] |= {f"usage.{name}" for name in Usage.__struct_fields__}
    wanted[Run] |= {f"cost.{name}" for name in Cost.__struct_fields__}

    declared: dict[type, set[str | None]] = {record: {"record"} for record in wanted}
    for table in TABLES:
        declared[table.record] |= {column.path for column in table.columns}

    assert {record: wanted[record] - declared[record] for record in wanted} == {record: set() for record in wanted}


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(run=runs)
async def test_a_run_comes_back_as_it_was(ledger: Ledger, run: Run) -> None:
    run.run_id = str(uuid.uuid4())  # shrinking repeats ids with other contents, which no mapping does

    assert (await ledger.write(run)).rejected == ()

    assert await ledger.store.get_run(PROJECT, run.run_id) == as_json(run)


async def test_unknown_zero_and_empty_stay_apart(ledger: Ledger) -> None:
    unknown = make_run(usage=None, cost=None, user_id=None, tools=None, error=None)
    nothing = make_run(usage=Usage(), cost=Cost(), user_id="", tools=[], input="")
    zero = make_run(usage=Usage(input_tokens=0, output_tokens=0))

    await ledger.write(unknown, nothing, zero)

    for run in (unknown, nothing, zero):
        assert await ledger.store.get_run(PROJECT, run.run_id) == as_json(run)


async def test_times_keep_their_nanoseconds(ledger: Ledger) -> None:
    run = make_run(started_at=1_772_359_200_000_000_001, ended_at=1_772_359_201_999_999_999)

    await ledger.write(run)

    found = await ledger.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["started_at"], found["ended_at"]) == (
        "2026-03-01T10:00:00.000000001Z",
        "2026-03-01T10:00:01.999999999Z",
    )


async def test_a_list_shows_previews_instead_of_contents(ledger: Ledger) -> None:
    call = {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"at": "Rome"}}
    run = make_run(
        input=[
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {"role": "user", "parts": [{"type": "text", "content": "What is  the\nweather?" + " Please!" * 100}]},
        ],
        output=[{"role": "assistant", "parts": [call]}],
    )
    await ledger.write(run)

    (found,) = (await ledger.store.list_runs(RunFilter(PROJECT))).runs

    assert found["input_preview"].startswith("What is the weather? Please! Please!")
    assert len(found["input_preview"]) == 200
    assert found["output_preview"] == 'weather({"at":"Rome"})'
    whole = as_json(run)
    contents = {"input", "output", "tools", "params", "agent", "tool", "prompt", "user_props", "attributes", "warnings"}
    assert {name: found[name] for name in whole if name not in contents} == {
        name: value for name, value in whole.items() if name not in contents
    }
    assert not contents & set(found)


async def test_a_run_outlives_its_contents(ledger: Ledger) -> None:
    run = make_run(input="question", output="answer", attributes={"a": 1}, params={"temperature": 0.5})
    await ledger.write(run)
    await ledger.command("TRUNCATE TABLE {db}.run_payloads")  # what the TTL does to an old partition

    found = await ledger.store.get_run(PROJECT, run.run_id)

    expected = as_json(run) | {"input": None, "output": None, "attributes": {}, "params": {}, "payload_expired": True}
    assert found == expected


async def test_scores_come_back_in_the_order_of_their_time(ledger: Ledger) -> None:
    run = make_run()
    scores = [
        make_score(run, "thumb", "up", source="user", at=recent(30)),
        make_score(run, "relevance", 0.25, label="poor", comment="off topic", at=recent(20)),
        make_score(run, "safe", True, at=recent(10)),
    ]
    await ledger.write(run, make_score(make_run(), "thumb", "down"), *reversed(scores))

    assert await ledger.store.scores(PROJECT, run.run_id) == [as_json(score) for score in scores]


async def test_threads_and_metrics_are_kept(ledger: Ledger) -> None:
    thread = Thread(
        project_id=PROJECT,
        thread_id=str(uuid.uuid4()),
        session_id="s1",
        user_id="u1",
        tags=["a"],
        metadata={"k": "v"},
        started_at=recent(),
    )
    metric = Metric(
        project_id=PROJECT,
        metric_id=str(uuid.uuid4()),
        name="gen_ai.client.token.usage",
        unit="{token}",
        kind="histogram",
        at=recent(),
        count=2,
        sum=30.0,
        bounds=[10.0, 100.0],
        buckets=[1, 1, 0],
        attributes={"gen_ai.token.type": "input"},
    )

    await ledger.write(thread, metric)

    assert await ledger.query("SELECT session_id, user_id, tags, metadata FROM {db}.threads") == [
        ("s1", "u1", ["a"], {"k": "v"})
    ]
    assert await ledger.query("SELECT name, value, count, sum, bounds, buckets, attributes FROM {db}.metrics") == [
        ("gen_ai.client.token.usage", None, 2, 30.0, [10.0, 100.0], [1, 1, 0], '{"gen_ai.token.type":"input"}')
    ]
