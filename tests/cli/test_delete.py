"""`spanledger delete` on a real embedded store and a real log."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanledger.cli import main
from spanledger.commands.queue_list import letters as kept
from spanledger.exporters.store import RunFilter
from spanledger.model.received import Encoding, Signal
from spanledger.model.records import Run
from spanledger.pipeline.dead_letters import DeadLetter, LetterFilter, letter_of_entry, letter_of_item, letter_of_record
from spanledger.pipeline.directories import log_directories
from spanledger.pipeline.erasure import is_about
from spanledger.pipeline.letter_box import LetterBox
from spanledger.service import decode_body
from tests.cli.test_queue import log_with
from tests.exporters.ledger import Ledger
from tests.exporters.records import PROJECT, make_run

CONFIG = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters:
  clickhouse: {{endpoint: '{endpoint}', database: {database}, runs_ttl_days: 0, payloads_ttl_days: 0}}
extensions:
  file_storage: {{directory: '{log}'}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse]}}
"""
SPAN = (
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", '
    b'"spanId": "00000000000000aa", "name": "s", "startTimeUnixNano": "1", '
    b'"attributes": [{"key": "user.id", "value": {"stringValue": "ada"}}]}]}]}]}'
)


class Delete:
    """The command against a ledger and a log of one's own."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.log = folder / "log"
        self.ledger = ledger
        self._config = folder / "spanledger.yaml"
        settings = ledger.exporter.settings
        self._config.write_text(CONFIG.format(endpoint=settings.endpoint, database=settings.database, log=self.log))

    async def __call__(self, *arguments: str) -> Result:
        return await self.command("delete", "--project", PROJECT, *arguments)

    async def command(self, name: str, *arguments: str) -> Result:
        """Any command on the same configuration."""
        command = [*name.split(), "--config", str(self._config), *arguments]
        return await asyncio.to_thread(CliRunner().invoke, main, command)

    async def names(self) -> list[str]:
        return sorted(run["name"] for run in (await self.ledger.store.list_runs(RunFilter(PROJECT))).runs)

    def letters(self) -> int:
        return sum(len(list(kept(directory, LetterFilter()))) for directory in log_directories(self.log))


@pytest.fixture
def delete(ledger: Ledger, tmp_path: Path) -> Delete:
    return Delete(ledger, tmp_path)


def letters() -> dict[str, DeadLetter]:
    """Of every kind, about the run of span aa and user ada."""
    (span,) = decode_body(Signal.TRACES, Encoding.JSON, SPAN).items
    return {
        "record": letter_of_record("clickhouse", the_run(), "bad"),
        "item": letter_of_item(PROJECT, 1, 0, span, "the mapping broke"),
        "entry": letter_of_entry("mapping", PROJECT, 2, "traces/json", SPAN, "cannot be decoded"),
    }


def the_run() -> Run:
    return make_run(name="gone", span_id="00000000000000aa", user_id="ada", input="secret")


@pytest.mark.parametrize("kind", ["record", "item", "entry"])
def test_a_letter_is_about_its_project_and_user(kind: str) -> None:
    letter = letters()[kind]

    assert is_about(letter, PROJECT)
    assert is_about(letter, PROJECT, user_id="ada")
    assert not is_about(letter, PROJECT, user_id="bob")
    assert not is_about(letter, "other", user_id="ada")


@pytest.mark.parametrize(("kind", "told"), [("record", True), ("item", True), ("entry", False)])
def test_a_letter_is_about_its_run_where_it_can_be_read(kind: str, told: bool) -> None:
    assert is_about(letters()[kind], PROJECT, run_id=the_run().run_id) is told
    assert not is_about(letters()[kind], PROJECT, run_id=make_run().run_id)


def test_a_user_is_found_in_a_letter_however_json_writes_the_name() -> None:
    run = make_run(user_id='ad"a\n\ud800')

    assert is_about(letter_of_record("clickhouse", make_run(user_id='ad"a'), "bad"), PROJECT, user_id='ad"a')
    assert not is_about(letter_of_record("clickhouse", run, "bad"), PROJECT, user_id="")


async def test_a_run_goes_from_store_and_dead_letters(delete: Delete) -> None:
    await delete.ledger.write(the_run(), make_run(name="stays"))
    await asyncio.to_thread(log_with, delete.log, letters=list(letters().values()))

    done = await delete("--run", the_run().run_id, "--yes")

    assert done.exit_code == 0, done.output
    assert "clickhouse: deleted 1 runs" in done.output
    assert "deleted 2 dead letters" in done.output
    assert await delete.names() == ["stays"]
    assert delete.letters() == 1


async def test_a_user_goes_from_store_and_dead_letters(delete: Delete) -> None:
    await delete.ledger.write(the_run(), make_run(name="stays"))
    await asyncio.to_thread(
        log_with, delete.log, entries=3, cursors={"clickhouse": 1}, letters=list(letters().values())
    )

    done = await delete("--user", "ada", "--yes")

    assert done.exit_code == 0, done.output
    assert "deleted 3 dead letters" in done.output
    assert await delete.names() == ["stays"]


async def test_a_letter_of_another_machine_brings_nothing_back(delete: Delete) -> None:
    """The command was not run there, so the letters are left: of before the deletion, and of after it."""
    assert (await delete("--user", "ada", "--yes")).exit_code == 0
    await asyncio.to_thread(log_with, delete.log)
    box = LetterBox(log_directories(delete.log)[0], 1 << 20)
    box.add([letters()["record"], letters()["item"]], at_ns=1)
    box.add([letter_of_record("clickhouse", make_run(name="new", user_id="ada"), "bad")], at_ns=time.time_ns())
    box.close()

    done = await delete.command("queue replay", "--dead")

    assert done.exit_code == 0, done.output
    assert await delete.names() == ["new"]
    assert delete.letters() == 0


async def test_a_project_goes_as_a_whole(delete: Delete) -> None:
    await delete.ledger.write(the_run(), make_run(name="too"))

    done = await delete("--everything", "--yes")

    assert "deleted 2 runs" in done.output
    assert await delete.names() == []


async def states_of_keys(delete: Delete) -> dict[str, tuple[bool, str]]:
    listed = await delete.command("keys ls", "--json")
    assert listed.exit_code == 0, listed.output
    return {key["project_id"]: (key["revoked"], key["note"]) for key in json.loads(listed.stdout)}


@pytest.mark.parametrize("keep", [False, True])
async def test_the_keys_of_a_project_that_goes_are_revoked(delete: Delete, keep: bool) -> None:
    for project in (PROJECT, "other"):
        added = await delete.command("keys add", project, "--role", "public", "--note", f"for {project}")
        assert added.exit_code == 0, added.output

    done = await delete("--everything", "--yes", *(["--keep-keys"] if keep else []))

    assert ("clickhouse: revoked 1 keys" in done.output) is not keep
    expected = (False, f"for {PROJECT}") if keep else (True, "")
    assert await states_of_keys(delete) == {PROJECT: expected, "other": (False, "for other")}


async def test_nothing_goes_without_a_yes(delete: Delete) -> None:
    await delete.ledger.write(the_run())

    refused = await delete("--everything")

    assert refused.exit_code == 1
    assert await delete.names() == ["gone"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--user", "a", "--everything"),
        ("--run", "a", "--user", "b"),
        ("--user", ""),
        ("--user", "a", "--keep-keys"),
    ],
)
async def test_what_is_meant_must_be_clear(delete: Delete, arguments: tuple[str, ...]) -> None:
    assert (await delete(*arguments, "--yes")).exit_code == 2
