"""Exporter `debug`: prints records, for a look at what arrives."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TextIO

import msgspec
from pydantic import Field

from spanledger.exporters.base import WRITTEN, Exporter, WriteResult
from spanledger.exporters.lines import json_lines
from spanledger.exporters.text import printable
from spanledger.model.records import Metric, Record, Run, Score, Thread, money, rfc3339
from spanledger.settings import Settings


class DebugSettings(Settings):
    """Exporter `debug`."""

    verbosity: Literal["basic", "normal", "detailed"] = "basic"
    """`basic`: one line a batch. `normal`: one line a record. `detailed`: every field of every record."""
    sampling_initial: int = Field(default=2, ge=0)
    """Accepted; every record is printed."""
    sampling_thereafter: int = Field(default=1, ge=0)
    """Accepted; every record is printed."""
    use_internal_logger: bool = True
    """Accepted; records go to standard output."""
    output_paths: tuple[str, ...] = ("stdout",)
    """Accepted; records go to standard output."""

    def without_effect(self) -> Iterator[str]:
        for key in sorted(self.model_fields_set & {"sampling_initial", "sampling_thereafter"}):
            yield f"{key} has no effect; every record is printed"
        if self.output_paths != ("stdout",):
            yield "output_paths has no effect; records go to standard output"
        yield from super().without_effect()


class DebugExporter(Exporter):
    """Writes to standard output, or to `stream`."""

    name = "debug"

    def __init__(self, settings: DebugSettings, stream: TextIO | None = None) -> None:
        self.settings = settings
        self._stream = stream

    async def start(self) -> None:
        """Nothing to prepare."""

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Print. What cannot be printed is no reason to stop: the batch counts as written."""
        stream = self._stream or sys.stdout
        try:
            stream.write("".join(f"{line}\n" for line in self._lines(records)))
            stream.flush()
        except OSError:  # a closed pipe
            pass
        return WRITTEN

    async def close(self) -> None:
        """Nothing to release."""

    def _lines(self, records: Sequence[Record]) -> list[str]:
        match self.settings.verbosity:
            case "basic":
                return [_count(records)]
            case "normal":
                return [_described(record) for record in records]
            case _:
                return [text for record in records for text in (_described(record), *_fields(record))]


def _described(record: Record) -> str:
    try:
        return describe(record)
    except Exception as error:  # nothing that a record holds may stop the pipeline
        return f"{record.record}  cannot be shown: {type(error).__name__}"


def describe(record: Record) -> str:
    """One line: what it is, then what it cost and where it belongs."""
    match record:
        case Run():
            return _run(record)
        case Score():
            value = f"{record.name}={json.dumps(record.value)}"
            return _line(
                "score", value, record.label, run=record.run_id, session=record.session_id, source=record.source
            )
        case Thread():
            return _line("thread", record.session_id, rfc3339(record.started_at), user=record.user_id)
        case Metric():
            number = record.value if record.value is not None else record.sum
            return _line(
                "metric", record.name, None if number is None else f"{number} {record.unit}", rfc3339(record.at)
            )


def _run(run: Run) -> str:
    usage, cost = run.usage, run.cost
    tokens = None
    if usage is not None and (usage.input_tokens is not None or usage.output_tokens is not None):
        tokens = f"{_known(usage.input_tokens)} → {_known(usage.output_tokens)} tokens"
    paid = (
        None
        if cost is None or cost.total is None
        else f"${money(cost.total)}{'' if run.billable else ' (not counted)'}"
    )
    took = None if run.duration_ns is None else f"{run.duration_ns / 1e9:.3f}s"
    failed = run.error.message or run.error.type if run.error else None
    return _line(
        run.type,
        run.name,
        run.model if run.model != run.name else None,
        run.status if run.status != "success" else None,
        tokens,
        paid,
        took,
        user=run.user_id,
        session=run.session_id,
        error=failed,
        run=run.run_id,
        version=str(run.version) if run.version > 1 else None,
    )


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)


def _line(kind: str, *facts: str | None, **named: str | None) -> str:
    parts = [f"{kind:<10}", *filter(None, facts), *(f"{name}={value}" for name, value in named.items() if value)]
    return printable("  ".join(parts), one_line=True)


def _count(records: Sequence[Record]) -> str:
    kinds = Counter(record.record for record in records)
    return "  ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items()) or "nothing"


def _fields(record: Record) -> list[str]:
    lines, rejected = json_lines([record])
    if rejected:
        return [f"    {rejected[0].reason}"]
    fields: dict[str, Any] = msgspec.json.decode(lines[0])
    return [
        printable(f"    {name}: {json.dumps(value, ensure_ascii=False)}", one_line=True)
        for name, value in fields.items()
        if value not in (None, "", [], {})
    ]
