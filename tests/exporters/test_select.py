from __future__ import annotations

from collections.abc import Sequence

from spanledger.exporters.base import WRITTEN, Exporter, Rejection, WriteResult
from spanledger.exporters.rewrite import Rewrite
from spanledger.exporters.select import Select
from spanledger.model.records import Metric, Record, Run

RUN = Run(project_id="default", run_id="r", type="llm", started_at=1)
METRIC = Metric(project_id="default", metric_id="m", name="gen_ai.client.token.usage", at=1)


class Recording(Exporter):
    """Keeps what it is given, and answers as it is told or rejects the last of it."""

    def __init__(self, answer: WriteResult | None = None) -> None:
        self.written: list[Record] = []
        self._answer = answer

    async def start(self) -> None: ...

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        self.written += records
        return self._answer or WriteResult(rejected=[Rejection(len(records) - 1, "too large")])

    async def close(self) -> None: ...


async def test_only_the_chosen_kinds_reach_the_exporter_and_rejections_name_the_record_as_it_was_given() -> None:
    exporter = Recording()
    result = await Select(exporter, frozenset({"run"})).write([METRIC, RUN, METRIC, RUN, METRIC], "token")
    assert exporter.written == [RUN, RUN]
    assert result == WriteResult(rejected=(Rejection(3, "too large"),))


async def test_a_batch_without_a_chosen_kind_is_written_already() -> None:
    exporter = Recording()
    assert await Select(exporter, frozenset({"run"})).write([METRIC], "token") == WRITTEN
    assert exporter.written == []


async def test_what_was_stored_of_a_batch_that_comes_again_is_named_as_it_was_given() -> None:
    exporter = Recording(WriteResult(retry="away", retry_after=2.0, stored=[1]))
    result = await Select(exporter, frozenset({"run"})).write([METRIC, RUN, METRIC, RUN, METRIC], "token")
    assert result == WriteResult(retry="away", retry_after=2.0, stored=(3,))


async def test_functions_that_drop_records_leave_the_others_their_places() -> None:
    exporter = Recording(WriteResult(refused="one of them is at fault", stored=[0]))
    keep_runs = Rewrite(exporter, [lambda record: record.record == "run"])
    result = await keep_runs.write([METRIC, RUN, RUN], "token")
    assert result == WriteResult(refused="one of them is at fault", stored=(1,))
