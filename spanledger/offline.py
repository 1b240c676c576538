"""Mapping of recorded payloads without a server: what `spanledger map` and the public Python API do."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from spanledger.errors import PayloadError
from spanledger.mapping import KEYS, CapturePolicy, Mapper, MemoryLimits
from spanledger.mapping.cost import PriceList
from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.model.received import Encoding, Signal
from spanledger.model.records import Metric, Record, Run, Score, Thread, to_dict
from spanledger.receiver.wire import decode

_BY_FIELD = {
    "resourceSpans": Signal.TRACES,
    "resource_spans": Signal.TRACES,
    "resourceLogs": Signal.LOGS,
    "resource_logs": Signal.LOGS,
    "resourceMetrics": Signal.METRICS,
    "resource_metrics": Signal.METRICS,
}


class OfflineMapper:
    """Collects the records of one stream of payloads; each record once, in its final state."""

    def __init__(
        self,
        project_id: str = "default",
        prices: PriceList | None = None,
        limits: MemoryLimits | None = None,
        capture: CapturePolicy | None = None,
    ) -> None:
        self._project_id = project_id
        prices = prices if prices is not None else PriceList()
        self._mapper = Mapper(prices, limits, capture)
        self._lunary = LunaryMapper(prices, capture)
        self._records: dict[tuple[str, str], Record] = {}
        self.rejected: list[str] = []
        """One text for each item that was refused."""

    def add_file(self, path: str | PathLike[str]) -> None:
        """Add a file; see `spanledger.map_files`."""
        path = Path(path)
        body = path.read_bytes()
        try:
            if path.suffix == ".jsonl":
                for line in body.splitlines():
                    if line.strip():
                        self._add_json(line, _signal_of_name(path.name))
            elif _is_json(body):
                self._add_json(body, _signal_of_name(path.name))
            else:
                self._add_protobuf(body, _signal_of_name(path.name))
        except PayloadError as error:
            raise PayloadError(f"{path}: {error}") from error

    def add_body(self, signal: Signal, body: bytes) -> None:
        """Add the body of an export request, protobuf or JSON."""
        encoding = Encoding.JSON if _is_json(body) else Encoding.PROTOBUF
        self._add(signal, encoding, body)

    def records(self) -> list[dict[str, Any]]:
        """The records in their final state, in order of first appearance."""
        return [to_dict(record) for record in self._records.values()]

    def _add_json(self, body: bytes, named: Signal | None) -> None:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None  # the decoder proper repairs what it can and words the error
        if isinstance(document, (dict, list)):
            events = document.get("events") if isinstance(document, dict) else document
            if isinstance(events, dict):
                events = [events]
            if isinstance(events, list):
                self._keep(self._lunary.add(self._project_id, events))
                return
        signal = named
        if isinstance(document, dict):
            signal = next((found for field, found in _BY_FIELD.items() if field in document), named)
        self._add(signal if signal is not None else Signal.TRACES, Encoding.JSON, body)

    def _add_protobuf(self, body: bytes, named: Signal | None) -> None:
        if named is not None:
            self._add(named, Encoding.PROTOBUF, body)
            return
        for signal in (Signal.TRACES, Signal.LOGS, Signal.METRICS):
            # The three requests share their outer layout; the right one is that whose items all make sense.
            try:
                decoded = decode(signal, Encoding.PROTOBUF, body, KEYS)
            except PayloadError:
                if signal is Signal.METRICS:
                    raise
                continue
            if decoded.items and not decoded.rejected:
                self._keep(self._mapper.add(self._project_id, decoded.items))
                return
        raise PayloadError("neither an OTLP trace, log nor metric export request")

    def _add(self, signal: Signal, encoding: Encoding, body: bytes) -> None:
        decoded = decode(signal, encoding, body, KEYS)
        self.rejected.extend(decoded.rejected)
        self._keep(self._mapper.add(self._project_id, decoded.items))

    def _keep(self, records: list[Record]) -> None:
        for record in records:
            if isinstance(record, Run) and record.withdrawn:
                self._records.pop((record.record, record.run_id), None)
                continue
            held = self._records.get((record.record, _identity(record)))
            if held is None or record.version >= held.version:
                self._records[record.record, _identity(record)] = record


def _is_json(body: bytes) -> bool:
    """Whether a body is JSON. The first byte of a protobuf request is a newline to JSON, and the second its length,
    which may look like a bracket."""
    if body[:1] in (b"{", b"["):
        return True
    if body.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _identity(record: Record) -> str:
    if isinstance(record, Run):
        return record.run_id
    if isinstance(record, Score):
        return record.score_id
    if isinstance(record, Thread):
        return record.thread_id
    if isinstance(record, Metric):
        return record.metric_id
    raise TypeError(f"no record: {record!r}")


def _signal_of_name(name: str) -> Signal | None:
    for signal in Signal:
        if name.startswith(signal.value):
            return signal
    return None
