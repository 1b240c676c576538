"""`spanledger reprice` on a real embedded store, with runs that the mapper made."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spanledger import reprice as repricing
from spanledger.cli import main
from spanledger.exporters.base import WriteResult
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.store import SCAN_PAGE, RunFilter
from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.mapping.facts import Facts
from spanledger.model.received import Item
from spanledger.model.records import Record
from spanledger.model.span import Value
from spanledger.pipeline.backoff import Backoff
from tests.cli.serving import serving
from tests.exporters.ledger import Ledger
from tests.mapping.build import PROJECT, T0, agent, chat, log, run_id, span

DAY = 86_400
CONFIG = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters:
  clickhouse: {{endpoint: '{endpoint}', database: {database}, runs_ttl_days: 0, payloads_ttl_days: 0}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse]}}
  mapping: {{{mapping}}}
"""
HALF = "prices: [{id: half, model: gpt-4o, rates: {input: 1.25, output: 5}}]"
ALL_TIME = ("--since", "2026-01-01", "--until", "2026-10-01")
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "Where is order A-1001?"}]}]'
ANSWER = '[{"role": "assistant", "parts": [{"type": "text", "content": "On its way."}]}]'
CONTENTS: dict[str, Value] = {"gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": ANSWER, "own.key": "kept"}

Reprice = Callable[..., Coroutine[Any, Any, Result]]


@pytest.fixture
def reprice(ledger: Ledger, tmp_path: Path) -> Reprice:
    """Runs the command against the ledger, under a `service::mapping`."""

    async def run(*arguments: str, mapping: str = HALF) -> Result:
        settings = ledger.exporter.settings
        file = tmp_path / "spanledger.yaml"
        file.write_text(CONFIG.format(endpoint=settings.endpoint, database=settings.database, mapping=mapping))
        command = ["reprice", "--config", str(file), *(arguments or ALL_TIME)]
        runner = CliRunner(env={"COLUMNS": "140"})
        return await asyncio.to_thread(runner.invoke, main, command)

    return run


async def write(ledger: Ledger, *items: Item, project: str = PROJECT, mapper: Mapper | None = None) -> list[Record]:
    """What the mapper makes of these items, in the store."""
    records = (mapper or Mapper(PriceList())).add(project, items, T0)
    assert await ledger.write(*records) == WriteResult()
    return records


async def cost(ledger: Ledger, id: int = 1, trace: int = 1, project: str = PROJECT) -> dict[str, Any]:
    run = await ledger.store.get_run(project, run_id(id, trace, project))
    assert run is not None
    found: dict[str, Any] = run["cost"]
    return found


async def total(ledger: Ledger) -> Decimal | None:
    return (await ledger.store.totals(RunFilter(PROJECT))).cost


def words(result: Result) -> list[list[str]]:
    """The words of each line of the output."""
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


LISTED, HALVED = "0.00019", "0.000095"
"""56 × $2.5 and 5 × $10 per 1M tokens, and half of it."""


async def test_a_dry_run_shows_the_sums_and_writes_nothing(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat(id=1), chat(id=2), chat(id=3, model="gpt-4.1"), chat(id=4, model="house-model"))

    result = await reprice(*ALL_TIME, "--dry-run")

    assert words(result) == [
        ["Runs", "from", "2026-01-01T00:00:00Z", "to", "2026-10-01T00:00:00Z"],
        ["model", "provider", "runs", "changed", "before", "after", "difference", "unknown"],
        ["gpt-4o", "openai", "2", "2", "$0.00038", "$0.00019", "−$0.00019"],
        ["all", "models", "4", "2", "$0.000532", "$0.000342", "−$0.00019", "1"],
    ]
    assert (await cost(ledger))["total"] == LISTED
    assert await ledger.query("SELECT count() FROM {db}.runs") == [(4,)]


async def test_a_new_price_holds_in_its_time(ledger: Ledger, reprice: Reprice) -> None:
    calls = [chat(id=number, start=number * DAY) for number in range(4)]  # 2026-03-01T10:00 and the days after
    await write(ledger, *calls)

    mapping = HALF.replace("rates", "start: 2026-03-02, end: '2026-03-04T10:00:00+00:00', rates")
    result = await reprice(mapping=mapping)

    assert words(result)[-1] == ["Costs", "written:", "2"]
    costs = [await cost(ledger, number) for number in range(4)]
    assert [found["total"] for found in costs] == [LISTED, HALVED, HALVED, LISTED]
    assert [found["source"] for found in costs] == ["priced", "override", "override", "priced"]
    assert costs[1]["price_ref"] == "override half"
    assert costs[1]["parts"] == {"input": "0.00007", "output": "0.000025"}
    assert costs[1]["computed"] == LISTED


async def test_nothing_but_cost_and_version_changes(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, agent(id=1), chat(CONTENTS, id=2, parent=1))
    before = await ledger.store.get_run(PROJECT, run_id(2))
    assert before is not None

    await reprice()

    after = await ledger.store.get_run(PROJECT, run_id(2))
    assert after is not None
    assert after["input"][0]["parts"][0]["content"] == "Where is order A-1001?"
    assert after["output"][0]["parts"][0]["content"] == "On its way."
    assert after["metadata"] == {"own.key": "kept"}
    assert after["version"] == before["version"] + 1
    assert {name for name in before if after[name] != before[name]} == {"cost", "version"}
    assert await total(ledger) == Decimal(HALVED)


async def test_a_second_run_changes_nothing(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat(id=1), chat(id=2, trace=2))
    await reprice()
    rows = await ledger.query("SELECT run_id, version FROM {db}.runs ORDER BY ALL")

    result = await reprice()

    assert result.stdout.splitlines()[1:] == ["Nothing to change. Costs that are right: 2"]
    assert await ledger.query("SELECT run_id, version FROM {db}.runs ORDER BY ALL") == rows


EVERY_KIND = [
    chat(id=1),
    chat({"gen_ai.usage.cache_read.input_tokens": 20}, id=2, trace=2),
    chat({"gen_ai.request.batch": True}, id=3, trace=3),
    chat({"openai.response.service_tier": "flex"}, id=4, trace=4, model="gpt-5-mini"),
    chat({"gen_ai.usage.cost": 0.123456789012345}, id=5, trace=5),
    chat({"gen_ai.usage.total_cost": 0.25}, id=6, trace=6),
    chat({"gen_ai.usage.cost": 0}, id=7, trace=7, provider="openrouter"),
    chat({"lmnr.span.type": "CACHED"}, id=8, trace=8),
    chat(id=9, trace=9, model="house-model"),
    chat(id=10, trace=10, provider="ollama", model="llama3.1:8b"),
    chat(tokens=(300_000, 5), id=11, trace=11, model="gemini-2.5-pro", provider="gcp.gemini"),
    agent({"gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"}, tokens=(10, 20), id=12, trace=12),
    span(
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small",
         "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 77},
        name="embeddings", id=13, trace=13,
    ),
]  # fmt: skip


@pytest.mark.parametrize("mapping", ["", "cost: billed_only", "cost: computed", HALF])
async def test_what_the_mapping_priced_is_right_under_the_same_configuration(
    mapping: str, ledger: Ledger, reprice: Reprice, tmp_path: Path
) -> None:
    from spanledger.config import load_config

    await reprice("--since", "1h", mapping=mapping)
    prices = load_config([tmp_path / "spanledger.yaml"]).mapping.price_list()
    records = await write(ledger, *EVERY_KIND, mapper=Mapper(prices))
    assert len(records) == len(EVERY_KIND)

    result = await reprice(*ALL_TIME, "--reported", mapping=mapping)

    assert words(result)[1:] == [f"Nothing to change. Costs that are right: {len(EVERY_KIND)}".split()]


async def test_a_batch_call_stays_one(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat({"gen_ai.request.batch": True}))

    await reprice(mapping=HALF.replace("rates", "batch_multiplier: 0.1, rates"))

    assert (await cost(ledger))["total"] == "0.0000095"
    assert (await cost(ledger))["price_ref"] == "override half (batch x0.1)"


async def test_a_reported_cost_is_left_alone_unless_asked_for(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat({"gen_ai.usage.cost": 0.5}, id=1), chat(id=2, trace=2))

    result = await reprice()

    assert "Left alone, as the sender reported the cost: 1 (--reported takes them in)" in result.stdout
    assert (await cost(ledger))["total"] == "0.5"

    await reprice(*ALL_TIME, "--reported")

    changed = await cost(ledger)
    assert (changed["total"], changed["source"], changed["reported"]) == (HALVED, "override", "0.5")


async def test_with_reported_the_policy_decides(ledger: Ledger, reprice: Reprice) -> None:
    await write(
        ledger,
        chat({"gen_ai.usage.cost": 0.5}, id=1),
        chat({"gen_ai.usage.total_cost": 0.25}, id=2, trace=2),
    )

    await reprice(*ALL_TIME, "--reported", mapping="cost: billed_only")

    assert (await cost(ledger, 1))["total"] == LISTED
    assert (await cost(ledger, 2, trace=2))["total"] == "0.25"


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (("--model", "GPT-4o"), {1, 2}),
        (("--model", "gpt-4o.+"), set()),
        (("--provider", "azure.ai.openai"), {2}),
        (("--provider", "OpenAI"), {1}),
        (("--project", "default"), {1, 2}),
        (("--project", "nobody"), set()),
    ],
)
async def test_only_what_is_chosen(
    arguments: tuple[str, ...], changed: set[int], ledger: Ledger, reprice: Reprice
) -> None:
    await write(ledger, chat(id=1), chat(id=2, trace=2, provider="azure.ai.openai"))

    result = await reprice(*ALL_TIME, *arguments)

    assert result.exit_code == 0, result.output
    assert {number for number in (1, 2) if (await cost(ledger, number, number))["total"] == HALVED} == changed


async def test_every_project_unless_one_is_named(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat(), project="a")
    await write(ledger, chat(), project="b")

    await reprice()

    assert [(await cost(ledger, project=project))["total"] for project in ("a", "b")] == [HALVED, HALVED]


async def test_the_time_is_that_of_the_start(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, *(chat(id=number, trace=number, start=number) for number in range(1, 5)))

    await reprice("--since", "2026-03-01T10:00:02Z", "--until", "2026-03-01T10:00:04Z")

    totals = [(await cost(ledger, number, number))["total"] for number in range(1, 5)]
    assert totals == [LISTED, HALVED, HALVED, LISTED]


def recent_call(seconds_ago: float, id: int = 1) -> Facts:
    began = (time.time_ns() - T0) / 1e9 - seconds_ago
    return chat(id=id, trace=id, start=began, end=began + 1)


async def test_young_runs_are_left_alone_unless_forced(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, recent_call(600))

    result = await reprice("--since", "1h")

    assert "Left alone, as the mapping may still correct them: 1 (later, or with --force)" in result.stdout
    assert (await cost(ledger))["total"] == LISTED

    await reprice("--since", "1h", "--force")

    assert (await cost(ledger))["total"] == HALVED


async def test_how_old_a_run_must_be_follows_the_trace_memory(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, recent_call(600))

    await reprice("--since", "1h", mapping=f"{HALF}, memory: {{max_age: 9m}}")

    assert (await cost(ledger))["total"] == HALVED


async def test_a_redelivery_does_not_bring_the_old_cost_back(ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat())
    await reprice()

    await write(ledger, chat(), mapper=Mapper(PriceList()))

    assert (await cost(ledger))["total"] == HALVED
    assert await total(ledger) == Decimal(HALVED)


async def test_what_the_mapping_learns_later_is_not_lost(ledger: Ledger, reprice: Reprice) -> None:
    mapper = Mapper(PriceList())
    await write(ledger, chat(), mapper=mapper)
    await reprice()
    late = log("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": MESSAGES})

    (corrected,) = await write(ledger, late, mapper=mapper)

    run = await ledger.store.get_run(PROJECT, run_id(1))
    assert run is not None
    assert run["input"][0]["parts"][0]["content"] == "Where is order A-1001?"
    assert run["version"] == corrected.version == 2  # as high as that of the new cost: the one written last counts

    await reprice()

    assert (await cost(ledger))["total"] == HALVED


MANY = 2 * SCAN_PAGE + 10


async def many(ledger: Ledger) -> None:
    await write(ledger, *(chat(id=number, trace=number, start=number * 10) for number in range(1, MANY + 1)))


async def interrupted(*_: Any) -> WriteResult:
    raise KeyboardInterrupt


async def test_what_was_interrupted_is_finished_by_the_same_command(
    ledger: Ledger, reprice: Reprice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(ledger)
    monkeypatch.setattr(repricing, "BATCH", SCAN_PAGE)
    whole = ClickHouseExporter.write
    answers = iter([whole, interrupted])

    async def write_once(self: ClickHouseExporter, records: Sequence[Record], token: str) -> WriteResult:
        return await next(answers)(self, records, token)

    with monkeypatch.context() as patched:
        patched.setattr(ClickHouseExporter, "write", write_once)
        result = await reprice()

    assert result.exit_code == 1
    assert result.stderr == (f"Error: interrupted; costs written: {SCAN_PAGE:,}; the same command does the rest\n")
    versions = "SELECT version, count() FROM {db}.runs FINAL GROUP BY version ORDER BY version"
    assert await ledger.query(versions) == [(1, MANY - SCAN_PAGE), (2, SCAN_PAGE)]

    assert words(await reprice())[-1] == ["Costs", "written:", f"{MANY - SCAN_PAGE:,}"]

    assert await ledger.query(versions) == [(2, MANY)]
    assert await total(ledger) == MANY * Decimal(HALVED)
    assert words(await reprice())[1:] == [f"Nothing to change. Costs that are right: {MANY:,}".split()]


async def test_a_store_that_is_away_for_a_moment(
    ledger: Ledger, reprice: Reprice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(ledger, chat())
    whole = ClickHouseExporter.write
    left = [WriteResult(retry="overloaded", retry_after=0)] * 2
    tokens: set[str] = set()

    async def unsteady(self: ClickHouseExporter, records: Sequence[Record], token: str) -> WriteResult:
        tokens.add(token)
        return left.pop() if left else await whole(self, records, token)

    monkeypatch.setattr(ClickHouseExporter, "write", unsteady)
    monkeypatch.setattr(Backoff, "delay", lambda *_: 0.0)

    assert words(await reprice())[-1] == ["Costs", "written:", "1"]
    assert len(tokens) == 1
    assert (await cost(ledger))["total"] == HALVED


async def test_a_store_that_stays_away(ledger: Ledger, reprice: Reprice, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(ledger, chat())

    async def away(*_: Any) -> WriteResult:
        return WriteResult(retry="insert: overloaded")

    monkeypatch.setattr(ClickHouseExporter, "write", away)
    monkeypatch.setattr(Backoff, "delay", lambda *_: 0.0)
    result = await reprice()

    assert (result.exit_code, result.stderr) == (1, "Error: insert: overloaded\n")


async def test_nothing_there(ledger: Ledger, reprice: Reprice) -> None:
    assert words(await reprice())[1:] == [
        ["Nothing", "found:", "no", "run", "that", "counts", "in", "totals", "started", "then."]
    ]


def test_a_ledger_that_serve_holds_is_told(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        process.wait_for(" is ready ")
        command = [sys.executable, "-m", "spanledger", "reprice", "--since", "1h", "--dry-run"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 1
    assert re.fullmatch(
        rf"Error: another process \(pid {process.process.pid}\) holds the embedded store \S+/data/clickhouse; "
        r"one process can use it at a time\n"
        r"Stop `spanledger serve` first; with a ClickHouse server both can run\.\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--until", "2026-03-01"), "Missing option '--since'"),
        (("--since", "yesterday"), "expected 30m, 2h, 7d or a time like 2026-03-01T10:00:00Z"),
        (("--since", "2026-13-01"), "Invalid value for --since: month must be in 1..12: 2026-13-01"),
        (("--since", "2026-03-02", "--until", "2026-03-02"), "Invalid value for --until: must be later than --since"),
        (("--since", "1d", "--model", "gpt("), "Invalid value for --model: pattern 'gpt(': missing ) (at character 5)"),
        (("--since", "1d", "--exporter", "debug"), "Invalid value for --exporter: no pipeline has an exporter debug "
         "whose runs can be read (there are: clickhouse)"),
    ],
)  # fmt: skip
async def test_a_mistake_on_the_command_line(arguments: tuple[str, ...], complaint: str, reprice: Reprice) -> None:
    result = await reprice(*arguments)

    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["reprice", "--since", "1d"])

    assert (result.exit_code, result.stderr) == (1, "Error: there is no ledger in ./data/clickhouse\n")
    assert list(tmp_path.iterdir()) == []


def commands_of(document: str) -> list[str]:
    text = (Path(__file__).parents[2] / document).read_text()
    return re.findall(r"^\.venv/bin/spanledger (reprice .*)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", commands_of("docs/mapping.md"))
async def test_the_commands_of_the_documentation_work(command: str, ledger: Ledger, reprice: Reprice) -> None:
    await write(ledger, chat(id=1), recent_call(DAY, id=2))

    result = await reprice(*shlex.split(command)[1:])

    assert result.exit_code == 0, result.output
    assert "gpt-4o" in result.output


def test_of_several_stores_one_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    text = CONFIG.format(endpoint="http://127.0.0.1:9", database="a", mapping="")
    file.write_text(
        text.replace("  clickhouse:", "  clickhouse/b: {endpoint: 'http://127.0.0.1:9'}\n  clickhouse:").replace(
            "[clickhouse]", "[clickhouse, clickhouse/b]"
        )
    )

    result = CliRunner().invoke(main, ["reprice", "--since", "1d", "--config", str(file)])

    assert result.exit_code == 2
    assert "which store? (there are: clickhouse/b, clickhouse)" in " ".join(result.stderr.split())
