"""Batches: what one write holds, and the token that names it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanledger.model.received import Signal
from spanledger.model.records import Record
from spanledger.pipeline.dead_letters import record_key


@dataclass(slots=True)
class Share:
    """The records that an exporter got from one entry of the log."""

    through: int
    """Place up to which the log is done once all of these records are."""
    received_ns: int
    records: Sequence[Record]
    size: int
    """Estimated bytes of one record."""
    offered_at: float
    """Monotonic seconds."""
    cut: int = 0
    """How many are in batches already."""
    open: int = 0
    """How many are neither written nor dead."""
    signal: Signal = Signal.TRACES
    items: int = 0
    """Spans, log records or data points of the entry."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one write holds. `records` and `token` stay the same from attempt to attempt."""

    records: Sequence[Record]
    token: str
    shares: Sequence[tuple[Share, int]]
    """Where its records come from, and how many from each."""
    bytes: int


class Pending:
    """Records that wait for a batch, by entry, in log order."""

    def __init__(self) -> None:
        self._shares: deque[Share] = deque()
        self.records = 0
        self.bytes = 0

    def add(self, share: Share) -> None:
        """Records that came after all others."""
        self._shares.append(share)
        self.records += len(share.records)
        self.bytes += len(share.records) * share.size

    @property
    def waiting_since(self) -> float:
        """When the first of them came; there must be one."""
        return self._shares[0].offered_at

    def cut(self, max_items: int, max_bytes: int) -> Batch:
        """Take the first records up to the bounds, at least one."""
        shares: list[tuple[Share, int]] = []
        records: list[Record] = []
        size = 0
        while self._shares and len(records) < max_items and (size < max_bytes or not records):
            share = self._shares[0]
            fitting = max((max_bytes - size) // share.size, 0 if records else 1)
            count = min(len(share.records) - share.cut, max_items - len(records), fitting)
            if count == 0:
                break
            records.extend(share.records[share.cut : share.cut + count])
            share.cut += count
            size += count * share.size
            shares.append((share, count))
            if share.cut == len(share.records):
                self._shares.popleft()
        self.records -= len(records)
        self.bytes -= size
        newest = newest_versions(records)
        return Batch(newest, token_of(newest), shares, size)


def newest_versions(records: Sequence[Record]) -> list[Record]:
    """Each record once, in its highest version (of equals the last), in the order of first appearance. Stores keep
    only the highest anyway, and an upsert cannot meet the same key twice in one statement."""
    newest: dict[tuple[str, str, str], Record] = {}
    for record in records:
        key = record_key(record)
        known = newest.get(key)
        if known is None or record.version >= known.version:
            newest[key] = record
    return list(newest.values())


def token_of(records: Iterable[Record]) -> str:
    """Names a batch by what it holds: SHA-256 over the sorted (key, version) pairs, in hex."""
    digest = hashlib.sha256()
    for key, version in sorted((record_key(record), record.version) for record in records):
        digest.update("\0".join((*key, str(version), "")).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
