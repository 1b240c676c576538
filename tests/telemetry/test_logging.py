from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.telemetry.logging import Sampler, set_up
from spanledger.telemetry.settings import LogsSettings, SamplingSettings

logger = logging.getLogger("spanledger.tests")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Where lines go; the logging of the test process is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield tmp_path / "log"
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)


def test_console_lines_hold_the_facts_behind_the_text(file: Path) -> None:
    set_up(LogsSettings(output_paths=[str(file)], initial_fields={"node": "a"}))
    logger.warning("batch refused", extra={"exporter": "clickhouse", "reason": "it is away"})
    time, line = file.read_text().split("  ", 1)
    assert time.endswith("Z")
    assert line == 'warn   tests  batch refused  node=a exporter=clickhouse reason="it is away"\n'


def test_json_lines_are_objects_with_the_collectors_names(file: Path) -> None:
    set_up(LogsSettings(output_paths=[str(file)], encoding="json"))
    logger.info("batch written", extra={"records": 512})
    line = json.loads(file.read_text())
    del line["ts"]
    assert line == {"level": "info", "msg": "batch written", "records": 512, "logger": "spanledger.tests"}


def test_the_level_is_that_of_our_own_lines_and_libraries_only_warn(file: Path) -> None:
    set_up(LogsSettings(output_paths=[str(file)], level="debug", disable_caller=True))
    logger.debug("ours")
    logging.getLogger("grpc").info("theirs")
    assert [line.split("  ")[-1] for line in file.read_text().splitlines()] == ["ours"]


def test_a_failure_brings_its_traceback_unless_that_is_off(file: Path) -> None:
    set_up(LogsSettings(output_paths=[str(file)], disable_stacktrace=True))
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("failed")
    assert file.read_text().splitlines()[1:] == ["ValueError('no')"]


def test_the_same_message_again_and_again_is_sampled(file: Path) -> None:
    sampling = SamplingSettings(initial=2, thereafter=3)
    set_up(LogsSettings(output_paths=[str(file)], sampling=sampling))
    for number in range(1, 9):
        logger.warning("no %d", number)
    logger.warning("another")
    assert [line.split("  ")[-1] for line in file.read_text().splitlines()] == [
        "no 1",
        "no 2",
        "no 5",
        "no 8",
        "another",
    ]


def test_counting_begins_anew_with_each_tick() -> None:
    now = 0.0
    sampler = Sampler(SamplingSettings(initial=1, thereafter=0), lambda: now)
    record = logging.LogRecord("spanledger", logging.INFO, "", 0, "again", (), None)
    assert [sampler.filter(record) for _ in range(3)] == [True, False, False]
    now = 10.0
    assert sampler.filter(record)


@pytest.mark.parametrize("sampling", [None, SamplingSettings(enabled=False)])
def test_without_sampling_every_line_is_written(file: Path, sampling: SamplingSettings | None) -> None:
    set_up(LogsSettings(output_paths=[str(file)], sampling=sampling))
    for _ in range(50):
        logger.warning("again")
    assert len(file.read_text().splitlines()) == 50
