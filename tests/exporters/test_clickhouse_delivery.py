"""What was delivered is stored once, whatever came twice, late, in pieces or broken."""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from decimal import Decimal

import msgspec
import pytest

from spanledger.errors import StoreError, StoreUnavailable
from spanledger.exporters.base import WRITTEN, Rejection
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.store import RunFilter, Totals
from spanledger.model.records import Cost, Run, Usage
from tests.exporters.ledger import Ledger, make_settings
from tests.exporters.records import PROJECT, as_json, make_run, make_score, priced, recent

EVERYTHING = RunFilter(PROJECT)


async def all_ids(ledger: Ledger) -> list[str]:
    return [run["run_id"] for run in (await ledger.store.list_runs(EVERYTHING, 500)).runs]


def newest_first(runs: list[Run]) -> list[str]:
    return [run.run_id for run in sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)]


async def test_a_batch_that_comes_again_changes_nothing(ledger: Ledger) -> None:
    runs = [priced("0.001", started_at=recent(seconds)) for seconds in range(20)]

    for _ in range(3):
        assert await ledger.write(*runs, token="batch 7") == WRITTEN

    assert await all_ids(ledger) == newest_first(runs)
    assert (await ledger.store.totals(EVERYTHING)).cost == Decimal("0.020")
    assert await ledger.query("SELECT count() FROM {db}.runs") == [(20,)]  # the token alone held the others off


async def test_redelivery_in_other_cuts_changes_nothing(ledger: Ledger) -> None:
    runs = [priced("0.001", started_at=recent(seconds)) for seconds in range(30)]
    await ledger.write(*runs)

    shuffled = random.Random(1).sample(runs, 30)
    for cut in range(0, 30, 7):
        await ledger.write(*shuffled[cut : cut + 7])

    assert await all_ids(ledger) == newest_first(runs)
    assert await ledger.store.totals(EVERYTHING) == Totals(
        runs=30, billable_runs=30, input_tokens=300, output_tokens=60, cost=Decimal("0.030")
    )


async def test_a_token_with_other_rows_is_no_repetition(ledger: Ledger) -> None:
    first, second = make_run(), make_run()

    await ledger.write(first, token="batch 1")
    await ledger.write(second, token="batch 1")  # a log that was deleted counts its batches from the beginning

    assert set(await all_ids(ledger)) == {first.run_id, second.run_id}


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])), ids=str)
async def test_the_highest_version_wins_whatever_the_order(ledger: Ledger, order: tuple[int, ...]) -> None:
    started_at = recent(60)
    versions = {
        number: priced(f"0.00{number}", span_id="1", version=number, output=f"answer {number}", started_at=started_at)
        for number in (1, 2, 3)
    }
    for number in order:
        await ledger.write(versions[number])

    assert await ledger.store.get_run(PROJECT, versions[3].run_id) == as_json(versions[3])
    assert [run["version"] for run in (await ledger.store.list_runs(EVERYTHING)).runs] == [3]
    assert (await ledger.store.totals(EVERYTHING)).cost == Decimal("0.003")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_withdrawn_run_is_gone_whatever_the_order(ledger: Ledger, order: tuple[int, ...]) -> None:
    given = priced("0.001", version=1)
    withdrawn = msgspec.structs.replace(given, withdrawn=True, version=2)

    for index in order:
        await ledger.write((given, withdrawn)[index])

    assert await all_ids(ledger) == []
    assert await ledger.store.get_run(PROJECT, given.run_id) is None
    assert await ledger.store.totals(EVERYTHING) == Totals()


async def test_versions_of_a_run_may_share_a_batch(ledger: Ledger) -> None:
    old = make_run(span_id="1", output="old")
    new = make_run(span_id="1", output="new", version=2, started_at=old.started_at)

    await ledger.write(new, old)

    assert await ledger.store.get_run(PROJECT, old.run_id) == as_json(new)


async def test_a_session_found_later_moves_no_content(ledger: Ledger) -> None:
    """The session is the sort key of contents: the old ones stay behind and must not be shown."""
    before = make_run(span_id="1", output="old")
    after = make_run(span_id="1", output="new", session_id="s1", version=2, started_at=before.started_at)

    await ledger.write(before)
    await ledger.write(after)

    assert await ledger.store.get_run(PROJECT, before.run_id) == as_json(after)


async def test_a_batch_may_span_years(ledger: Ledger) -> None:
    day = 86_400
    runs = [priced("0.001", started_at=recent(days * day)) for days in range(0, 1200, 10)]

    assert await ledger.write(*runs) == WRITTEN

    assert await all_ids(ledger) == newest_first(runs)
    assert (await ledger.store.totals(EVERYTHING)).runs == 120


async def test_a_record_that_cannot_be_stored_is_rejected_alone(ledger: Ledger) -> None:
    good = [make_run() for _ in range(3)]
    bad_id = make_run(run_id="7")
    bad_value = make_run(attributes={"callback": object()})
    too_deep = make_run(input=nested([], 100_000))
    too_deep_to_repair = make_run(input=nested("\ud800", 900))

    result = await ledger.write(good[0], bad_id, good[1], bad_value, too_deep, good[2], too_deep_to_repair)

    assert result.retry is None
    assert result.rejected == [
        Rejection(1, "cannot be stored: run_id is not a UUID"),
        Rejection(3, "cannot be stored: Encoding objects of type object is unsupported"),
        Rejection(4, "cannot be stored: nested too deeply for JSON"),
        Rejection(6, "cannot be stored: nested too deeply for JSON"),
    ]
    assert set(await all_ids(ledger)) == {run.run_id for run in good}


def nested(value: object, depth: int) -> object:
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("table", ["runs", "run_payloads"])
async def test_a_record_that_the_store_refuses_is_rejected_alone(ledger: Ledger, table: str) -> None:
    runs = [make_run(started_at=recent(seconds)) for seconds in range(16)]
    poison = runs[11]
    await ledger.command(f"ALTER TABLE {{db}}.{table} ADD CONSTRAINT healthy CHECK run_id != '{poison.run_id}'")

    result = await ledger.write(*runs, make_score(poison, "thumb", "up"))

    assert result.retry is None
    assert [rejection.index for rejection in result.rejected] == [11]
    assert "VIOLATED_CONSTRAINT" in result.rejected[0].reason
    assert await all_ids(ledger) == newest_first([run for run in runs if run is not poison])
    assert len(await ledger.store.scores(PROJECT, poison.run_id)) == 1


async def test_a_crash_between_contents_and_runs_leaves_nothing_wrong(ledger: Ledger) -> None:
    runs = [priced("0.001", output=f"answer {number}") for number in range(5)]
    await ledger.command("RENAME TABLE {db}.runs TO {db}.away")

    result = await ledger.write(*runs, token="batch 1")

    assert result.retry is not None
    assert "UNKNOWN_TABLE" in result.retry
    assert result.rejected == ()
    assert await ledger.query("SELECT count() FROM {db}.run_payloads") == [(5,)]

    await ledger.command("RENAME TABLE {db}.away TO {db}.runs")
    assert await all_ids(ledger) == []
    assert await ledger.write(*runs, token="batch 1") == WRITTEN
    assert await ledger.store.get_run(PROJECT, runs[3].run_id) == as_json(runs[3])
    assert await ledger.query("SELECT count() FROM {db}.run_payloads") == [(5,)]


async def test_an_empty_batch_is_written(ledger: Ledger) -> None:
    assert await ledger.write() == WRITTEN


async def test_what_no_store_takes_is_repaired_and_said(ledger: Ledger) -> None:
    run = make_run(
        name="caf\ud83d",
        input=[{"role": "user", "parts": [{"type": "text", "content": "\ud83d\ude00 \udc00"}]}],
        tags=["a\udfff"],
        metadata={"k\ud800": "v"},
        usage=Usage(input_tokens=-5, output_tokens=2**70, reasoning_tokens=2.0),  # type: ignore[arg-type]
        started_at=-1,
        ended_at=2**63,
        tokens_per_second=float("inf"),
        warnings=["usage_conflict"],
    )

    assert await ledger.write(run) == WRITTEN

    found = await ledger.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert found["name"] == "caf\ufffd"
    assert found["input"][0]["parts"][0]["content"] == "😀 \ufffd"
    assert (found["tags"], found["metadata"]) == (["a\ufffd"], {"k\ufffd": "v"})
    assert (found["started_at"], found["ended_at"]) == (
        "1970-01-01T00:00:00.000000000Z",
        "2262-01-01T00:00:00.000000000Z",
    )
    usage = found["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["reasoning_tokens"]) == (0, 2**63 - 1, 2)
    assert found["tokens_per_second"] is None
    assert found["warnings"] == [
        "usage_conflict",
        "invalid_unicode:name",
        "out_of_range:started_at",
        "out_of_range:ended_at",
        "out_of_range:usage.input_tokens",
        "out_of_range:usage.output_tokens",
        "not_a_number:tokens_per_second",
        "invalid_unicode:tags",
        "invalid_unicode:metadata",
        "invalid_unicode:input",
    ]


@pytest.mark.parametrize(
    ("amount", "kept", "warnings"),
    [
        ("0.0000000000015", "0.000000000002", []),
        ("0E+9999", "0", []),
        ("-0.5", "-0.5", []),
        ("9223372.036854775807", "9223372.036854775807", []),
        ("9999999", "9223372.036854775807", ["out_of_range:cost.total"]),
        ("-1e999999", "-9223372.036854775807", ["out_of_range:cost.total"]),
        ("nan", None, ["not_a_number:cost.total"]),
    ],
)
async def test_money_is_kept_to_a_trillionth_and_within_its_range(
    ledger: Ledger, amount: str, kept: str | None, warnings: list[str]
) -> None:
    run = make_run(cost=Cost(total=Decimal(amount), source="reported"))

    await ledger.write(run)

    found = await ledger.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["cost"]["total"], found["warnings"]) == (kept, warnings)


async def test_a_temporary_folder_that_fails_is_a_reason_to_retry(ledger: Ledger) -> None:
    folder = tempfile.gettempdir()
    run = make_run()
    os.rmdir(folder)

    result = await ledger.write(run)

    os.mkdir(folder, mode=0o700)
    assert result.retry is not None
    assert "No such file or directory" in result.retry
    assert await ledger.write(run) == WRITTEN


async def test_an_unknown_insert_setting_is_refused_at_start(engine: str) -> None:
    exporter = ClickHouseExporter(make_settings(engine, insert_settings={"insert_quorums": 2}))

    with pytest.raises(StoreError, match="insert_quorums") as caught:
        await exporter.start()
    assert not isinstance(caught.value, StoreUnavailable)


async def test_insert_settings_take_effect(engine: str) -> None:
    exporter = ClickHouseExporter(
        make_settings(engine, insert_settings={"max_partitions_per_insert_block": 1, "log_queries": False})
    )
    await exporter.start()

    years = [make_run(started_at=recent(days * 86_400)) for days in (0, 400, 800)]
    assert await exporter.write(years, "1") == WRITTEN  # each partition is an insert
    await exporter.close()
