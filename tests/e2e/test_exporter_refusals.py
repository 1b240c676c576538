"""OpenTelemetry's own exporters, with their defaults, when spanledger refuses: they send again what they should, after
the delay that they are told, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from spanledger.access.caller import Caller
from spanledger.errors import Overloaded, PayloadError, PayloadTooLarge, Throttled
from tests.e2e.exporter_programs import PROGRAM, Refusing
from tests.receiver.servers import Memory, OneKey, running, settings

# The first of these tests may have to install what a program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EXPORTERS = [
    ("python", "grpc"),
    ("python", "http/protobuf"),
    ("js", "http/protobuf"),
    ("js", "http/json"),
    ("go", "grpc"),
    ("go", "http/protobuf"),
]

NEVER_AGAIN = ("js", "grpc")
"""This exporter (0.223) sends nothing twice, whatever it is told; docs/sending.md warns of it."""
TOO_LARGE_AGAIN = ("python", "grpc")
"""This one (1.45) repeats RESOURCE_EXHAUSTED without RetryInfo too, until its ten seconds are over."""


class Door(OneKey):
    """Counts who knocks."""

    asked = 0

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        self.asked += 1
        return super().authenticate(headers)


async def sent_to(intake: Memory, language: str, protocol: str) -> str:
    """What a program prints that sends one batch of three calls, once."""
    program = PROGRAM[language]()
    async with running(settings(), intake) as receiver:
        address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
        environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        finished = await program.run("3", "3", "once", otlp=f"http://{address}", environment=environment)
    return finished.stdout.strip()


@pytest.mark.parametrize("problem", [Overloaded("full", 1.5), Throttled("slow down", 1.5)], ids=["full", "throttled"])
@pytest.mark.parametrize(("language", "protocol"), EXPORTERS)
async def test_what_is_told_to_come_back_comes_back_in_time(language: str, protocol: str, problem: Exception) -> None:
    intake = Refusing(problem, times=1)
    said = await sent_to(intake, language, protocol)
    assert said == "3"
    assert len(intake.names) == 3
    first, second = intake.asked
    assert second - first >= 1.4


async def test_an_exporter_that_repeats_nothing_gives_up() -> None:
    intake = Refusing(Overloaded("full", 1.5), times=1)
    assert (await sent_to(intake, *NEVER_AGAIN), len(intake.asked)) == ("given up", 1)


async def test_an_exporter_that_repeats_what_is_too_large_gives_up_in_the_end() -> None:
    intake = Refusing(PayloadTooLarge("large"), times=1000)
    assert await sent_to(intake, *TOO_LARGE_AGAIN) == "given up"
    assert 1 < len(intake.asked) < 10


@pytest.mark.parametrize(
    ("language", "protocol", "problem"),
    [
        (*exporter, problem)
        for exporter in (*EXPORTERS, NEVER_AGAIN)
        for problem in (PayloadError("bad"), PayloadTooLarge("large"), RuntimeError("bug"))
        if not (exporter == TOO_LARGE_AGAIN and isinstance(problem, PayloadTooLarge))
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_what_can_never_be_taken_is_given_up_at_once(language: str, protocol: str, problem: Exception) -> None:
    intake = Refusing(problem, times=1000)
    said = await sent_to(intake, language, protocol)
    assert said == "given up"
    assert len(intake.asked) == 1


@pytest.mark.parametrize(("language", "protocol"), [*EXPORTERS, NEVER_AGAIN])
async def test_a_stranger_gives_up_at_once(language: str, protocol: str) -> None:
    program, door, intake = PROGRAM[language](), Door(), Memory()
    async with running(settings(), intake, door) as receiver:
        address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
        environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        finished = await program.run("3", "3", "once", otlp=f"http://{address}", environment=environment)
    assert (finished.stdout.strip(), door.asked, intake.names) == ("given up", 1, [])
