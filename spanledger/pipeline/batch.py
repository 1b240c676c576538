"""Batches: what one write holds, and the token that names it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from spanledger.exporters.base import Deleted, sha256_of
from spanledger.model.received import Signal
from spanledger.model.records import Metric, Record, Run, Score, Thread
from spanledger.pipeline.dead_letters import DeadLetter, letter_of_record, record_key

Item = TypeVar("Item")
"""What an exporter is given: a record, or a request body on the raw road."""


@dataclass(frozen=True, slots=True)
class Cargo(Generic[Item]):
    """What delivery must know of the things that it delivers."""

    distinct: Callable[[Sequence[Item]], list[Item]]
    """Those of a batch that are worth writing."""
    token: Callable[[Iterable[Item]], str]
    """The name of a batch that holds them."""
    halves: Callable[[Item], Sequence[Item]]
    """Smaller things that make up one which is refused; none when it is the smallest."""
    signal: Callable[[Item], Signal]
    """The signal that one counts for."""
    is_about: Callable[[Item, Deleted], bool]
    """Whether one belongs to what was deleted from a store."""
    letter: Callable[[str, Item, str], DeadLetter]
    """The dead letter of one that (exporter's name, thing, reason) can never be written."""
    parts: bool = False
    """Whether one may hold what was deleted beside what was not."""


@dataclass(slots=True)
class Share(Generic[Item]):
    """The records that an exporter got from one entry of the log."""

    through: int
    """Place up to which the log is done once all of these records are."""
    received_ns: int
    records: Sequence[Item]
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
    seq: int = 0
    """Place of the entry."""
    quiet: bool = False
    """Holds spans about spanledger itself, about which there are no others."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """What one write holds. `records` and `token` stay the same from attempt to attempt."""

    records: Sequence[Item]
    token: str
    shares: Sequence[tuple[Share[Item], int]]
    """Where its records come from, and how many from each."""
    bytes: int
    offered: Sequence[Item] = ()
    """The records before those that others supersede were left out, share by share."""

    def received(self) -> dict[int, int]:
        """By the `id` of a record when it was received."""
        times = [share.received_ns for share, count in self.shares for _ in range(count)]
        return {id(record): at for record, at in zip(self.offered, times, strict=True)}


class Pending(Generic[Item]):
    """Records that wait for a batch, by entry, in log order."""

    def __init__(self, cargo: Cargo[Item]) -> None:
        self._cargo = cargo
        self._shares: deque[Share[Item]] = deque()
        self.records = 0
        self.bytes = 0

    def add(self, share: Share[Item]) -> None:
        """Records that came after all others."""
        self._shares.append(share)
        self.records += len(share.records)
        self.bytes += len(share.records) * share.size

    @property
    def waiting_since(self) -> float:
        """When the first of them came; there must be one."""
        return self._shares[0].offered_at

    def cut(self, max_items: int, max_bytes: int) -> Batch[Item]:
        """Take the first records up to the bounds, at least one."""
        shares: list[tuple[Share[Item], int]] = []
        records: list[Item] = []
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
        distinct = self._cargo.distinct(records)
        return Batch(distinct, self._cargo.token(distinct), shares, size, records)


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


def signal_of(record: Record) -> Signal:
    """Those that are no data points count as spans, which most of them come from."""
    return Signal.METRICS if isinstance(record, Metric) else Signal.TRACES


def _no_halves(record: Record) -> Sequence[Record]:
    return ()


def record_is_about(record: Record, note: Deleted) -> bool:
    """Whether a record belongs to what was deleted."""
    if record.project_id != note.project_id:
        return False
    if note.run_id is not None:
        return isinstance(record, Run | Score) and record.run_id == note.run_id
    if note.user_sha256 is not None:
        user = record.user_id if isinstance(record, Run | Thread) else None
        return bool(user) and sha256_of(user or "") == note.user_sha256
    return True


RECORDS: Final = Cargo(newest_versions, token_of, _no_halves, signal_of, record_is_about, letter_of_record)
"""Records of the ledger."""
