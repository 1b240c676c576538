"""What fills the ledger of the benchmark: traces as agents make them, and SQL that copies them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from spanledger.exporters.clickhouse.tables import identifier as clickhouse_name
from spanledger.exporters.postgres.connection import identifier as postgres_name
from spanledger.exporters.postgres.ddl import RUN_KEYS, USAGE_DIRTY
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS, SCORES
from spanledger.model.ids import run_id_of_span, uuid8
from spanledger.model.records import Cost, Record, Run, RunError, Score, Usage

DAYS: Final = 30
TEMPLATES: Final = 2000
"""Runs that are written; five a trace."""
USERS: Final = 5000
_DAY_NS: Final = 86_400 * 1_000_000_000
_SECOND: Final = 1_000_000_000
_CHUNK: Final = 50
"""Copies of all templates that one statement makes."""
_IN_PIECES: Final = (
    "max_threads = 1, max_insert_threads = 1, max_joined_block_size_rows = 8192, max_block_size = 8192, "
    "min_insert_block_size_rows = 32768, min_insert_block_size_bytes = 67108864, max_compress_block_size = 131072, "
    "max_insert_delayed_streams_for_parallel_write = 0"
)
"""Settings of a copy: it shares the memory of the embedded engine with the merges, and without them holds buffers of
every column for every day that it writes to."""
_MODELS: Final = (
    ("openai", "gpt-5-mini", "gpt-5-mini-2026-01-01", 0.3),
    ("openai", "gpt-5", "gpt-5-2026-01-01", 3.0),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 5.0),
    ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash", 0.4),
)
_WORDS: Final = tuple(f"w{random.Random(number).getrandbits(24):x}" for number in range(5000))


def templates() -> Iterator[list[Record]]:
    """Batches of traces: an agent, three model calls and a tool; one run in fifty has a thumb."""
    chance = random.Random(7)
    now = time.time_ns()
    runs = [run for number in range(TEMPLATES // 5) for run in _trace(chance, number, now)]
    for at in range(0, len(runs), 500):
        some = runs[at : at + 500]
        yield [*some, *(_thumb(run, chance) for run in some if chance.random() < 0.02)]


def _trace(chance: random.Random, number: int, now: int) -> Iterator[Run]:
    # From 30 days to three hours ago, evenly; copies lie up to an hour later.
    start = now - 3 * 3600 * _SECOND - (DAYS * _DAY_NS - 3 * 3600 * _SECOND) * number // (TEMPLATES // 5)
    trace_id = f"{chance.getrandbits(128):032x}"
    facts: dict[str, Any] = {
        "user_id": f"user-{number}",
        "session_id": f"session-{number}",
        "tags": chance.sample(["beta", "support", "nightly", "batch"], k=chance.randrange(3)),
        "metadata": {"customer": str(chance.randrange(20)), "region": chance.choice(["eu", "us"])},
        "environment": chance.choice(["production", "staging"]),
        "service_name": chance.choice(["shop", "helpdesk"]),
        "scope_name": "opentelemetry.instrumentation.openai",
        "dialects": ["genai"],
        "span_kind": "client",
        "attributes": {"http.route": "/chat", "server.address": "api.example.com"},
    }
    agent = _span(trace_id, chance)
    name = chance.choice(["travel planner", "support agent", "summariser"])
    yield Run(
        **_identity(trace_id, agent, start, 9 * _SECOND),
        **facts,
        type="agent",
        name=name,
        span_name=f"invoke_agent {name}",
        input=_text(chance, 200),
        output=_text(chance, 300),
    )
    for step in range(3):
        yield _call(chance, trace_id, agent, start + (1 + 2 * step) * _SECOND, facts)
    yield Run(
        **_identity(trace_id, _span(trace_id, chance), start + 8 * _SECOND, 300_000_000),
        **facts,
        parent_run_id=run_id_of_span("default", trace_id, agent),
        type="tool",
        name="get_weather",
        span_name="execute_tool get_weather",
        input={"city": _text(chance, 20)},
        output={"celsius": chance.randrange(30)},
    )


def _call(chance: random.Random, trace_id: str, agent: str, start: int, facts: dict[str, Any]) -> Run:
    provider, asked, model, price = chance.choice(_MODELS)
    failed = chance.random() < 0.03
    given, got = chance.randrange(200, 8000), chance.randrange(20, 1500)
    cost = Decimal(round(price * (given + 4 * got))) / 1_000_000
    took = round(chance.lognormvariate(0.5, 0.8) * _SECOND)
    return Run(
        **_identity(trace_id, _span(trace_id, chance), start, took),
        **facts,
        parent_run_id=run_id_of_span("default", trace_id, agent),
        type="llm",
        operation="chat",
        name=model,
        span_name=f"chat {asked}",
        provider=provider,
        request_model=asked,
        model=model,
        ttft_ns=took // 5,
        response_id=f"resp_{chance.getrandbits(64):x}",
        finish_reasons=["stop"],
        status="error" if failed else "success",
        error=RunError(type="RateLimitError", message="too many requests", code="429") if failed else None,
        usage=Usage(input_tokens=given, output_tokens=got, cache_read_tokens=given // 3),
        billable=True,
        cost=Cost(total=cost, parts={"input": cost}, source="priced", price_ref="benchmark"),
        params={"temperature": 0.2},
        input=[
            {"role": "system", "parts": [{"type": "text", "content": _text(chance, 300)}]},
            {"role": "user", "parts": [{"type": "text", "content": _text(chance, 200)}]},
        ],
        output=[{"role": "assistant", "parts": [{"type": "text", "content": _text(chance, 300)}]}],
    )


def _identity(trace_id: str, span_id: str, start: int, took: int) -> dict[str, Any]:
    return {
        "project_id": "default",
        "run_id": run_id_of_span("default", trace_id, span_id),
        "trace_id": trace_id,
        "span_id": span_id,
        "started_at": start,
        "ended_at": start + took,
        "duration_ns": took,
    }


def _span(trace_id: str, chance: random.Random) -> str:
    return f"{chance.getrandbits(64):016x}"


def _text(chance: random.Random, length: int) -> str:
    return " ".join(chance.choices(_WORDS, k=length // 7))


def _thumb(run: Run, chance: random.Random) -> Score:
    return Score(
        project_id="default",
        score_id=uuid8(f"thumb {run.run_id}"),
        run_id=run.run_id,
        name="thumb",
        value=chance.choice(["up", "down"]),
        source="user",
        at=run.started_at,
        version=1,
    )


class Copies:
    """Statements that copy the templates until there are so many runs. Copy `n` of a trace is a trace: all its ids
    follow from the old ones and `n`, and it begins up to an hour later."""

    def __init__(self, rows: int) -> None:
        self._last = rows // TEMPLATES - 1

    def clickhouse(self, database: str) -> Iterator[str]:
        """For the embedded engine."""

        def digest(column: str) -> str:
            return f"MD5(concat(toString({column}), '/', toString(n)))"

        def uuid(column: str) -> str:
            # assumeNotNull: an id that is NULL stays so.
            made = f"reinterpretAsUUID({digest(f'assumeNotNull({column})')})"
            return f"if({column} IS NULL, NULL, {made})"

        def hexadecimal(column: str, length: int) -> str:
            return f"if({column} = '', '', lower(substring(hex({digest(column)}), 1, {length})))"

        shift = f"toIntervalNanosecond(n * 7919 % 3600 * {_SECOND} + n)"
        someone = f"cityHash64(toString(trace_id), n) % {USERS}"
        made = {
            **{name: uuid(name) for name in ("run_id", "parent_run_id", "score_id")},
            "trace_id": hexadecimal("trace_id", 32),
            "span_id": hexadecimal("span_id", 16),
            **{name: f"{name} + {shift}" for name in ("started_at", "ended_at", "at")},
            "user_id": f"concat('user-', toString({someone}))",
            "session_id": "concat(session_id, '-', toString(intDiv(n, 2)))",
            "payload_group": "concat(payload_group, '-', toString(intDiv(n, 2)))",
        }
        tables = (RUN_PAYLOADS, RUNS, SCORES)
        base = clickhouse_name(database)
        for table in tables:
            yield f"CREATE TABLE {base}.old_{table.name} ENGINE = Memory AS SELECT * FROM {base}.{table.name}"
        for first in range(1, self._last + 1, _CHUNK):
            count = min(_CHUNK, self._last + 1 - first)
            for table in tables:
                columns = [column.name for column in table.columns]
                if table is SCORES:
                    columns = [column for column in columns if column not in ("trace_id", "span_id", "session_id")]
                into = ", ".join(map(clickhouse_name, columns))
                given = ", ".join(made.get(column, clickhouse_name(column)) for column in columns)
                yield (
                    f"INSERT INTO {base}.{table.name} ({into}) SELECT {given} FROM {base}.old_{table.name} AS old "
                    f"CROSS JOIN (SELECT toInt64(number) AS n FROM numbers({first}, {count})) AS copies "
                    f"SETTINGS {_IN_PIECES}"
                )
        for table in tables:
            yield f"DROP TABLE {base}.old_{table.name}"

    def postgres(self, schema: str) -> Iterator[str]:
        """For a server: rows, keys, and the notes from which usage is summed up."""

        def digest(column: str) -> str:
            return f"md5({column}::text || '/' || n)"

        shift = f"n * 7919 % 3600 * {_SECOND}::bigint + n"
        made = {
            **{name: f"{digest(name)}::uuid" for name in ("run_id", "parent_run_id", "score_id")},
            "trace_id": digest("trace_id"),
            "span_id": f"left({digest('span_id')}, 16)",
            **{name: f"{name} + {shift}" for name in ("started_at", "ended_at", "at")},
            "user_id": f"'user-' || abs(hashtextextended(trace_id, n)) % {USERS}",
            "session_id": "session_id || '-' || n / 2",
            "payload_group": "payload_group || '-' || n / 2",
        }
        name = postgres_name(schema)
        for table in (RUN_PAYLOADS, RUNS, SCORES):
            yield f"CREATE TEMPORARY TABLE old_{table.name} AS SELECT * FROM {name}.{table.name}"
        for first in range(1, self._last + 1, _CHUNK):
            copies = f"generate_series({first}, {min(first + _CHUNK - 1, self._last)}) AS n"
            for table in (RUN_PAYLOADS, RUNS, SCORES):
                columns = [column.name for column in table.columns]
                into = ", ".join(map(postgres_name, columns))
                given = ", ".join(made.get(column, postgres_name(column)) for column in columns)
                yield (
                    f"INSERT INTO {name}.{table.name} ({into}) SELECT {given} FROM old_{table.name} CROSS JOIN {copies}"
                )
            yield (
                f"INSERT INTO {name}.{RUN_KEYS} (project_id, run_id, version, started_at, payload_version, payload_at) "
                f"SELECT project_id, {made['run_id']}, version, {made['started_at']}, version, {made['started_at']} "
                f"FROM old_runs CROSS JOIN {copies}"
            )
        yield (
            f"INSERT INTO {name}.{USAGE_DIRTY} (project_id, minute) "
            f"SELECT DISTINCT project_id, started_at / 60000000000 FROM {name}.runs"
        )
