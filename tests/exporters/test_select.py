from __future__ import annotations

from collections.abc import Sequence

from spanledger.exporters.base import WRITTEN, Exporter, Rejection, WriteResult
from spanledger.exporters.select import Select
from spanledger.model.records import Metric, Record, Run

RUN = Run(project_id="default", run_id="r", type="llm", started_at=1)
METRIC = Metric(project_id="default", metric_id="m", name="gen_ai.client.token.usage", at=1)


class Recording(Exporter):
    """Keeps what it is given and rejects the last of it."""

    def __init__(self) -> None:
        self.written: list[Record] = []

    async def start(self) -> None: ...

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        self.written += records
        return WriteResult(rejected=[Rejection(len(records) - 1, "too large")])

    async def close(self) -> None: ...


async def test_only_the_chosen_kinds_reach_the_exporter_and_rejections_name_the_record_as_it_was_given() -> None:
    exporter = Recording()
    result = await Select(exporter, frozenset({"run"})).write([METRIC, RUN, METRIC, RUN, METRIC], "token")
    assert exporter.written == [RUN, RUN]
    assert result == WriteResult(rejected=[Rejection(3, "too large")])


async def test_a_batch_without_a_chosen_kind_is_written_already() -> None:
    exporter = Recording()
    assert await Select(exporter, frozenset({"run"})).write([METRIC], "token") == WRITTEN
    assert exporter.written == []
