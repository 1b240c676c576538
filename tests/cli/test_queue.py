"""`spanledger queue` on logs that a pipeline wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from spanledger.model.received import Encoding, Received, Signal
from spanledger.model.records import Run
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.dead_letters import (
    DeadLetter,
    letter_of_entry,
    letter_of_item,
    letter_of_record,
)
from spanledger.service import decode_body
from tests.cli.conftest import Run as RunCommand
from tests.cli.serving import serving, span_body

HOUR_NS = 3_600_000_000_000
START_NS = 1_772_360_000_000_000_000
SETS = (
    "exporters.file.path=out.jsonl",
    "service.extensions=[file_storage]",
    "service.pipelines.traces.exporters=[file]",
    "service.pipelines.logs.exporters=[file]",
    "service.pipelines.metrics.exporters=[file]",
)
OPTIONS = tuple(option for text in SETS for option in ("--set", text))


def log_with(
    directory: Path,
    entries: int = 0,
    letters: Sequence[DeadLetter] = (),
    cursors: dict[str, int] | None = None,
) -> None:
    async def write() -> None:
        log = DurableLog(FileStorageSettings(directory=directory, group_commit=0))
        await log.open()
        await log.register(list(cursors or {"file": 0}))
        for n in range(entries):
            body = span_body(f"{n + 1:016x}", "gpt-4o")
            await log.append(Received("acme", Signal.TRACES, Encoding.JSON, body, (), START_NS + n * HOUR_NS))
        await log.save_cursors(cursors or {})
        await log.add_dead_letters(letters)
        await log.close()

    asyncio.run(write())


def run_record(run_id: str) -> Run:
    return Run(project_id="acme", run_id=run_id, type="llm", started_at=START_NS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log"


def test_the_list_shows_what_waits_for_whom(run: RunCommand, log: Path) -> None:
    log_with(log, entries=3, cursors={"file": 3, "slow": 1}, letters=[letter_of_record("file", run_record("a"), "bad")])
    shown = run("queue", "ls", *OPTIONS)
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert lines[0] == "data/log  (not in use)"
    assert lines[1].startswith("  3 entries kept, ")
    assert lines[2] == "  file: everything is delivered"
    assert lines[3].startswith("  slow: 2 wait, ")
    assert lines[3].endswith(", the oldest of 2026-03-01T11:13:20Z")
    assert lines[4:] == ["  1 dead letters:", "    1 × file: bad"]


def test_the_list_as_json_has_the_logs_of_all_workers(run: RunCommand, log: Path) -> None:
    log_with(log / "worker-1", entries=2)
    log_with(log / "worker-2", entries=1)
    found = json.loads(run("queue", "ls", "--json", *OPTIONS).output)
    assert [(Path(one["directory"]).name, one["entries"]) for one in found] == [("worker-1", 2), ("worker-2", 1)]
    assert found[0]["exporters"]["file"]["waiting_entries"] == 2
    assert found[0]["used_by_process"] is None


def test_without_a_log_it_says_so(run: RunCommand) -> None:
    shown = run("queue", "ls", *OPTIONS)
    assert shown.exit_code == 1
    assert "there is no log in data/log" in shown.output
    assert "no durable log" in run("queue", "ls", "--set", "service.extensions=[]").output


def test_entries_are_printed_in_order_and_decoded(run: RunCommand, log: Path) -> None:
    log_with(log, entries=3, cursors={"file": 1})
    lines = run("queue", "cat", *OPTIONS).output.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert "acme  traces/json" in lines[0]
    waiting = run("queue", "cat", "--exporter", "file", "--json", "--limit", "1", *OPTIONS).output.splitlines()
    (entry,) = map(json.loads, waiting)
    assert entry["seq"] == 2
    assert entry["items"][0]["span_id"] == f"{2:016x}"


def test_dead_letters_are_found_by_exporter_and_reason(run: RunCommand, log: Path) -> None:
    letters = [
        letter_of_record("file", run_record("a"), "No column for it"),
        letter_of_record("file", run_record("b"), "too large"),
        letter_of_record("other", run_record("c"), "no column for it"),
    ]
    log_with(log, letters=letters)
    shown = run("queue", "cat", "--dead", "--exporter", "file", "--reason", "no COLUMN", "--json", *OPTIONS)
    (found,) = map(json.loads, shown.output.splitlines())
    assert found["content"]["run_id"] == "a"
    assert found["reason"] == "No column for it"
    assert len(run("queue", "cat", "--dead", *OPTIONS).output.splitlines()) == 3


def test_purging_asks_first(run: RunCommand, log: Path) -> None:
    log_with(log, letters=[letter_of_record("file", run_record(name), "bad") for name in "abc"])
    refused = run("queue", "purge", "--dead", *OPTIONS)  # nothing to read an answer from
    assert refused.exit_code == 1
    assert len(run("queue", "cat", "--dead", *OPTIONS).output.splitlines()) == 3
    assert run("queue", "purge", "--dead", "--older-than", "1h", "--yes", *OPTIONS).output == (
        "no dead letter passes the filters\n"
    )
    assert run("queue", "purge", "--dead", "--yes", *OPTIONS).output == "deleted 3 dead letters\n"
    assert run("queue", "cat", "--dead", *OPTIONS).output == ""


def test_records_go_to_their_exporter_again_and_leave_the_letters(run: RunCommand, log: Path, tmp_path: Path) -> None:
    letters = [
        letter_of_record("file", run_record("a"), "bad"),
        letter_of_record("gone", run_record("b"), "bad"),
    ]
    log_with(log, letters=letters)
    shown = run("queue", "replay", "--dead", *OPTIONS)
    assert shown.exit_code == 1, "one is left"
    assert shown.output.splitlines() == [
        "delivered 1, failed again 0, left alone 1",
        "  1 × the configuration has no exporter gone",
    ]
    assert [json.loads(line)["run_id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["a"]
    (left,) = map(json.loads, run("queue", "cat", "--dead", "--json", *OPTIONS).output.splitlines())
    assert left["source"] == "gone"


def test_items_are_mapped_anew(run: RunCommand, log: Path, tmp_path: Path) -> None:
    items = decode_body(Signal.TRACES, Encoding.JSON, span_body("00f067aa0ba902b7", "gpt-4o")).items
    log_with(log, letters=[letter_of_item("acme", 1, 0, items[0], "the mapping broke")])
    assert run("queue", "replay", "--dead", *OPTIONS).output == "delivered 1, failed again 0, left alone 0\n"
    (record,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert record["model"] == "gpt-4o"
    assert record["user_id"] == "ada"
    assert record["usage"]["input_tokens"] == 42


def test_bodies_go_into_the_log_again_unless_they_are_damaged(run: RunCommand, log: Path) -> None:
    body = span_body("00f067aa0ba902b7", "gpt-4o")
    log_with(
        log,
        letters=[
            letter_of_entry("mapping", "acme", 1, "traces/json", body, "cannot be decoded any more"),
            letter_of_entry("log", "acme", 2, "traces/json", body, "checksum mismatch"),
            letter_of_entry("mapping", "acme", 3, "traces/json", b"{", "cannot be decoded any more"),
        ],
    )
    shown = run("queue", "replay", "--dead", *OPTIONS)
    assert shown.output.splitlines()[0] == "delivered 1, failed again 1, left alone 1"
    (entry,) = map(json.loads, run("queue", "cat", "--json", *OPTIONS).output.splitlines())
    assert entry["project_id"] == "acme"
    assert entry["items"][0]["span_id"] == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("meant_for", "arguments", "goes_to"),
    [
        ("traces,traces/gone", (), "traces"),
        ("traces/gone", (), None),
        ("traces/gone", ("--to", "traces"), "traces"),
        ("", (), ""),
    ],
)
def test_bodies_go_to_the_pipelines_that_they_were_processed_for(
    run: RunCommand, log: Path, meant_for: str, arguments: tuple[str, ...], goes_to: str | None
) -> None:
    body = span_body("00f067aa0ba902b7", "gpt-4o")
    log_with(log, letters=[letter_of_entry("pipelines", "acme", 1, "traces/json", body, "gone", road=meant_for)])
    shown = run("queue", "replay", "--dead", *arguments, *OPTIONS)
    if goes_to is None:
        assert shown.output.splitlines() == [
            "delivered 0, failed again 0, left alone 1",
            "  1 × the configuration has no pipeline traces/gone; --to names another",
        ]
    else:
        assert shown.output == "delivered 1, failed again 0, left alone 0\n"
    assert roads_in(log) == ([] if goes_to is None else [goes_to])


def test_what_came_no_further_than_its_receiver_goes_through_the_processors(run: RunCommand, log: Path) -> None:
    body = span_body("00f067aa0ba902b7", "gpt-4o")
    log_with(log, letters=[letter_of_entry("otlp", "acme", 0, "traces/json", body, "could not be read", name="a")])
    processors = (
        *("--set", "processors.attributes.actions=[{key: user.id, action: delete}]"),
        *("--set", "service.pipelines.traces.processors=[attributes]"),
    )
    shown = run("queue", "replay", "--dead", *OPTIONS, *processors)
    assert shown.output == "delivered 1, failed again 0, left alone 0\n"
    (entry,) = map(json.loads, run("queue", "cat", "--json", *OPTIONS).output.splitlines())
    assert entry["items"][0]["span_id"] == "00f067aa0ba902b7"
    assert "ada" not in json.dumps(entry)


def test_items_stay_while_the_pipelines_that_they_were_processed_for_are_gone(run: RunCommand, log: Path) -> None:
    items = decode_body(Signal.TRACES, Encoding.JSON, span_body("00f067aa0ba902b7", "gpt-4o")).items
    log_with(log, letters=[letter_of_item("acme", 1, 0, items[0], "the mapping broke", road="traces/gone")])
    assert run("queue", "replay", "--dead", *OPTIONS).output.startswith("delivered 0, failed again 0, left alone 1\n")
    assert run("queue", "replay", "--dead", "--to", "traces", *OPTIONS).output.startswith("delivered 1,")


def test_letters_go_to_no_pipeline_that_is_not_there(run: RunCommand, log: Path) -> None:
    log_with(log)
    refused = run("queue", "replay", "--dead", "--to", "traces/gone", *OPTIONS)
    assert refused.exit_code == 2
    assert "no pipeline with exporters: traces/gone" in refused.output


def roads_in(directory: Path) -> list[str]:
    async def read() -> list[str]:
        log = DurableLog(FileStorageSettings(directory=directory))
        await log.open()
        chunk = await log.read(0, log.last_seq, 1 << 20)
        await log.close()
        return [entry.road for entry in chunk.entries]

    return asyncio.run(read())


def test_an_exporter_is_set_back(run: RunCommand, log: Path) -> None:
    log_with(log, entries=5, cursors={"file": 4})
    shown = run("queue", "replay", "--exporter", "file", "--since", "2026-03-01T12:00:00Z", "--yes", *OPTIONS)
    assert shown.output == "the next start of `spanledger serve` writes 2 entries to file again\n", shown.output
    waiting = run("queue", "cat", "--exporter", "file", *OPTIONS).output.splitlines()
    assert [line.split()[0] for line in waiting] == ["3", "4", "5"]


def test_what_waits_for_an_exporter_is_given_up(run: RunCommand, log: Path) -> None:
    log_with(log, entries=5, cursors={"file": 4, "broken": 1})
    shown = run("queue", "purge", "--exporter", "broken", "--yes", *OPTIONS)
    assert shown.output == "4 entries are not written to broken\n"
    found = json.loads(run("queue", "ls", "--json", *OPTIONS).output)
    waiting = {name: one["waiting_entries"] for name, one in found[0]["exporters"].items()}
    assert waiting == {"file": 1, "broken": 0}
    assert "the log knows no exporter brokn (there are: broken, file)" in (
        run("queue", "purge", "--exporter", "brokn", *OPTIONS).output
    )


@pytest.mark.parametrize(
    "arguments",
    [("purge",), ("purge", "--exporter", "file", "--older-than", "1h"), ("replay",), ("replay", "--since", "1h")],
)
def test_what_is_meant_must_be_said(run: RunCommand, log: Path, arguments: tuple[str, ...]) -> None:
    log_with(log, entries=1)
    assert run("queue", *arguments, *OPTIONS).exit_code == 2


def test_a_running_service_is_looked_at_and_not_changed(run: RunCommand, tmp_path: Path) -> None:
    with serving(tmp_path, *SETS) as process:
        process.wait_for("ready|over HTTP")
        (found,) = json.loads(run("queue", "ls", "--json", *OPTIONS).output)
        assert found["used_by_process"] == str(process.process.pid)
        log_cursor = ("--exporter", "file", "--yes")
        refused = run("queue", "purge", *log_cursor, *OPTIONS)
        assert refused.exit_code == 1
        assert f"is in use by process {process.process.pid}; stop `spanledger serve` first" in refused.output
        assert run("queue", "purge", "--dead", "--yes", *OPTIONS).exit_code == 0
        process.end()


def test_a_letter_of_a_record_is_read_back_as_it_was() -> None:
    record = run_record("a")
    assert msgspec.json.decode(letter_of_record("file", record, "bad").content, type=Run) == record
