"""OpenTelemetry's own exporters, straight to spanledger: every language and protocol, and a kill in the middle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.applications import PROGRAMS, Application, go_application, node_application, python_application
from tests.e2e.ledger import Run, billed_tokens, running
from tests.e2e.script import Tokens

# The first of these tests may have to install what the program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CALLS, BATCH = 200, 5
# Call n has 100 + n input and 10 + n output tokens, and 0 + 1 + … + 199 is 19900.
ALL_TOKENS = Tokens(input=200 * 100 + 19_900, output=200 * 10 + 19_900)
ALL_ANSWERS = sorted(f"chatcmpl-{number}" for number in range(CALLS))


@pytest.fixture
def exporters() -> Application:
    return python_application(PROGRAMS / "otel-exporters")


def answers(runs: list[Run]) -> list[str]:
    return sorted(run["response_id"] for run in runs)


@pytest.mark.parametrize(
    ("protocol", "path", "compression"),
    [
        ("grpc", "", None),
        ("grpc", "", "gzip"),
        ("http/protobuf", "", "gzip"),
        ("http/protobuf", "/v1/otel", None),  # the endpoint that Lunary's documentation gives
    ],
)
async def test_every_call_arrives_once(
    protocol: str, path: str, compression: str | None, exporters: Application, tmp_path: Path
) -> None:
    environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if compression is not None:  # the gRPC exporter (1.45) does not know the word "none"
        environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    async with running(tmp_path / "ledger") as ledger:
        finished = await exporters.run(
            str(CALLS),
            str(BATCH),
            otlp=ledger.grpc if protocol == "grpc" else ledger.http + path,
            environment=environment,
        )
        await ledger.drain()
        runs = await ledger.summaries()

    assert finished.stderr == ""
    assert answers(runs) == ALL_ANSWERS
    assert billed_tokens(runs) == ALL_TOKENS
    assert {(run["type"], run["session_id"], run["service_name"]) for run in runs} == {
        ("llm", "session-exporters", "otel-exporters")
    }


@pytest.mark.parametrize(
    ("language", "protocol", "compression"),
    [
        ("js", "grpc", "gzip"),
        ("js", "http/protobuf", None),
        ("js", "http/json", "gzip"),
        ("go", "grpc", None),
        ("go", "http/protobuf", "gzip"),
    ],
)
async def test_every_call_of_another_language_arrives_once(
    language: str, protocol: str, compression: str | None, tmp_path: Path
) -> None:
    make = {"js": node_application, "go": go_application}[language]
    program = make(PROGRAMS / f"otel-exporters-{language}")
    environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if compression is not None:
        environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    async with running(tmp_path / "ledger") as ledger:
        finished = await program.run(
            str(CALLS), str(BATCH), otlp=ledger.grpc if protocol == "grpc" else ledger.http, environment=environment
        )
        await ledger.drain()
        runs = await ledger.summaries()
    assert finished.stderr == ""
    assert answers(runs) == ALL_ANSWERS
    assert billed_tokens(runs) == ALL_TOKENS


async def test_what_was_acknowledged_outlives_a_kill(exporters: Application, tmp_path: Path) -> None:
    async with running(tmp_path / "ledger") as ledger:
        sending = await exporters.start(
            str(CALLS), str(BATCH), otlp=ledger.http, environment={"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        )
        acknowledged = await until_acknowledged(sending, 2 * BATCH)
        await ledger.kill()
        await ledger.start()
        await ledger.drain()
        after_the_kill = await ledger.summaries()
        await exporters.finish(sending)
        await ledger.drain()
        at_the_end = await ledger.summaries()

    assert {f"chatcmpl-{number}" for number in range(acknowledged)} <= set(answers(after_the_kill))
    assert len(set(answers(after_the_kill))) == len(after_the_kill)
    assert answers(at_the_end) == ALL_ANSWERS
    assert billed_tokens(at_the_end) == ALL_TOKENS


async def until_acknowledged(sending: asyncio.subprocess.Process, calls: int) -> int:
    """Read the program's count of acknowledged calls until it is at least `calls`."""
    assert sending.stdout is not None
    acknowledged = 0
    while acknowledged < calls:
        line = await sending.stdout.readline()
        assert line, "the program ended early"
        acknowledged = int(line)
    return acknowledged
