from __future__ import annotations

import io
from decimal import Decimal
from typing import Literal

import pytest

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.debug import DebugExporter, DebugSettings
from spanledger.model.records import Cost, Metric, Record, RunError, Thread, Usage
from tests.exporters.records import make_run, make_score

RUN = make_run(
    span_id="1",
    usage=Usage(input_tokens=120, output_tokens=45),
    cost=Cost(total=Decimal("0.000105"), source="priced"),
    billable=True,
    duration_ns=1_234_567_890,
    user_id="u1",
    session_id="s1",
)


async def printed(verbosity: Literal["basic", "normal", "detailed"], *records: Record) -> str:
    stream = io.StringIO()
    exporter = DebugExporter(DebugSettings(verbosity=verbosity), stream)
    await exporter.start()
    assert await exporter.write(records, "1") == WRITTEN
    await exporter.close()
    return stream.getvalue()


async def test_basic_prints_one_line_a_batch() -> None:
    assert await printed("basic", RUN, RUN, make_score(RUN, "thumb", "up")) == "2 runs  1 score\n"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            RUN,
            f"llm         gpt-4o  120 → 45 tokens  $0.000105  1.235s  user=u1  session=s1  run={RUN.run_id}",
        ),
        (
            make_run(
                run_id=RUN.run_id,
                type="tool",
                name="weather\n\x1b[31m",
                model=None,
                status="error",
                error=RunError(type="Timeout", message="too late"),
                version=2,
            ),
            f"tool        weather⏎␛[31m  error  error=too late  run={RUN.run_id}  version=2",
        ),
        (
            make_score(RUN, "relevance", 0.5, label="fair"),
            f"score       relevance=0.5  fair  run={RUN.run_id}  source=evaluator",
        ),
        (
            Thread(project_id="p", thread_id="t", session_id="s1", user_id="u1", started_at=0),
            "thread      s1  1970-01-01T00:00:00.000000000Z  user=u1",
        ),
        (
            Metric(project_id="p", metric_id="m", name="gen_ai.client.token.usage", unit="{token}", at=0, sum=3.0),
            "metric      gen_ai.client.token.usage  3.0 {token}  1970-01-01T00:00:00.000000000Z",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.record,
)
async def test_normal_prints_one_line_a_record(record: Record, line: str) -> None:
    assert await printed("normal", record) == line + "\n"


async def test_detailed_prints_every_field_that_is_there() -> None:
    thread = Thread(project_id="p", thread_id="t", session_id="s1", tags=["a"], started_at=0)

    assert await printed("detailed", thread) == (
        "thread      s1  1970-01-01T00:00:00.000000000Z\n"
        '    record: "thread"\n'
        '    project_id: "p"\n'
        '    thread_id: "t"\n'
        '    session_id: "s1"\n'
        '    tags: ["a"]\n'
        '    started_at: "1970-01-01T00:00:00.000000000Z"\n'
        "    version: 1\n"
    )


async def test_what_cannot_be_shown_says_so() -> None:
    text = await printed("detailed", make_run(attributes={"callback": object()}))
    assert "    cannot be written as JSON: Encoding objects of type object is unsupported\n" in text

    thread = Thread(project_id="p", thread_id="t", session_id="s1", started_at=2**100)
    assert (await printed("normal", thread)).startswith("thread  cannot be shown: ")


async def test_a_closed_pipe_stops_nobody() -> None:
    class Closed(io.StringIO):
        def write(self, text: str, /) -> int:
            raise BrokenPipeError

    assert await DebugExporter(DebugSettings(), Closed()).write([RUN], "1") == WRITTEN
