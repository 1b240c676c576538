"""What real SDKs sent gives the same records however it arrives: span by span, shuffled, twice, children first.

A sample over all libraries runs always; SPANLEDGER_WHOLE_CORPUS=1 runs every recorded case.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spanledger.mapping import Mapper
from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.model.received import Item
from spanledger.model.records import Metric, Record, Run, Score, Thread, to_dict
from spanledger.model.span import LogRecord, Span
from tests.mapping.build import PRICES, PROJECT
from tests.mapping.recordings import COLLECTION, KEPT, case_files, ingest_events, otlp_items


def recorded_cases() -> list[Path]:
    if not COLLECTION.is_dir():
        return sorted(path.parent for path in KEPT.rglob("case.json"))
    every = sorted(path.parent for path in COLLECTION.rglob("case.json"))
    if os.environ.get("SPANLEDGER_WHOLE_CORPUS"):
        return every
    by_library: dict[Path, list[Path]] = {}
    for case in every:
        by_library.setdefault(case.parent, []).append(case)
    draw = random.Random("one of each library").choice  # the same ones each time
    return [draw(cases) for _, cases in sorted(by_library.items())]


CASES = recorded_cases()
OTLP = [case for case in CASES if any(case.glob("traces-*"))]


def test_the_sample_reaches_over_the_libraries() -> None:
    if not COLLECTION.is_dir():
        pytest.skip("the collection of recorded payloads is not beside the repository; the kept ones are used")
    assert len(CASES) >= 60


class Kept:
    """The records of a mapper, each in its last state."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Record] = {}

    def keep(self, records: Sequence[Record]) -> None:
        for record in records:
            key = (record.record, identity(record))
            held = self._records.get(key)
            if held is None or record.version >= held.version:
                self._records[key] = record

    def told(self) -> dict[str, Any]:
        """All that is stored but for versions and warnings, and the points in time at which nothing was known yet."""
        told = {}
        for (kind, name), record in sorted(self._records.items()):
            if isinstance(record, Run) and record.withdrawn:
                continue
            plain = to_dict(record)
            del plain["version"]
            plain.pop("warnings", None)
            told[f"{kind} {name}"] = plain
        return dict(json.loads(msgspec.json.encode(told)))


def identity(record: Record) -> str:
    match record:
        case Run():
            return record.run_id
        case Score():
            return record.score_id
        case Thread():
            return record.thread_id
        case Metric():
            return record.metric_id


def mapped(requests: Sequence[Sequence[Item]]) -> dict[str, Any]:
    mapper, kept = Mapper(PRICES), Kept()
    for request in requests:
        kept.keep(mapper.add(PROJECT, request))
    return kept.told()


def otlp(case: Path) -> list[list[Item]]:
    return otlp_items(path for path in case_files(case) if not path.name.startswith("ingest"))


def alone(requests: Sequence[Sequence[Item]]) -> list[list[Item]]:
    """Each item alone, but for a span's log records of one request: where their times are equal, as in JavaScript,
    nothing but their place tells which came first."""
    units: list[list[Item]] = []
    for request in requests:
        records: dict[str, list[Item]] = {}
        for item in request:
            if not isinstance(item, LogRecord):
                units.append([item])
            elif item.span_id in records:
                records[item.span_id].append(item)
            else:
                units.append(records.setdefault(item.span_id, [item]))
    return units


def name_of(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@pytest.mark.parametrize("case", OTLP, ids=name_of)
def test_how_items_arrive_does_not_show(case: Path) -> None:
    requests = otlp(case)
    expected = mapped(requests)
    units = alone(requests)
    shuffled = list(units)
    random.Random(name_of(case)).shuffle(shuffled)
    items = [item for request in requests for item in request]
    assert mapped([items]) == expected, "all in one request"
    assert mapped(units) == expected, "each alone"
    assert mapped(shuffled) == expected, "shuffled"
    assert mapped([*requests, *requests]) == expected, "sent twice"


@pytest.mark.parametrize("case", OTLP, ids=name_of)
def test_children_may_come_before_their_parents_and_after(case: Path) -> None:
    items = [item for request in otlp(case) for item in request]
    spans = sorted((item for item in items if isinstance(item, Span)), key=lambda span: span.start_ns)
    others = [item for item in items if not isinstance(item, Span)]
    assert mapped([[span] for span in spans] + [others]) == mapped([others] + [[span] for span in reversed(spans)])


@pytest.mark.parametrize("case", OTLP, ids=name_of)
def test_what_is_sent_again_gives_no_run_again(case: Path) -> None:
    requests, mapper = otlp(case), Mapper(PRICES)
    for request in requests:
        mapper.add(PROJECT, request)
    again = [record for request in requests for record in mapper.add(PROJECT, request)]
    assert [record for record in again if isinstance(record, Run | Thread)] == []


@pytest.mark.parametrize("case", OTLP, ids=name_of)
def test_records_can_be_written_and_their_totals_hold(case: Path) -> None:
    for record in mapped(otlp(case)).values():
        assert json.loads(msgspec.json.encode(record)) == record
        if record["record"] != "run":
            continue
        usage = record["usage"]
        assert not record["billable"] or usage is not None or record["cost"] is not None
        if usage is not None and usage["input_tokens"] is not None:
            assert (usage["cache_read_tokens"] or 0) + (usage["cache_write_tokens"] or 0) <= usage["input_tokens"]


INGESTED = [case for case in CASES if any(case.glob("ingest-*"))]


@pytest.mark.parametrize("case", INGESTED, ids=name_of)
def test_the_order_of_lunary_events_does_not_show(case: Path) -> None:
    batches = [ingest_events(path) for path in case_files(case) if path.name.startswith("ingest")]
    events = [event for batch in batches for event in batch]
    shuffled = list(events)
    random.Random(name_of(case)).shuffle(shuffled)
    told = []
    for order in (
        batches,
        [events],
        [[event] for event in events],
        [[event] for event in shuffled],
        [*batches, *batches],
    ):
        mapper, kept = LunaryMapper(PRICES), Kept()
        for batch in order:
            kept.keep(mapper.add(PROJECT, batch))
        told.append(kept.told())
    assert all(one == told[0] for one in told)
