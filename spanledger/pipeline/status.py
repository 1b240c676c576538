"""What the pipeline counts; telemetry turns it into metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from spanledger.model.distribution import Distribution
from spanledger.model.received import Signal


@dataclass(frozen=True, slots=True)
class LogStatus:
    """Of the log. Counters run from `open`."""

    entries_appended: int
    bytes_appended: int
    commits: int
    """Syncs that made appends safe; entries_appended ÷ commits is the size of a group."""
    refused: int
    """Appends answered with `Overloaded`."""
    dropped: int
    """Entries dropped undelivered by `when_full: drop_oldest`."""
    damaged: int
    """Entries, and stretches between entries, that could not be read back."""
    torn_bytes: int
    """Cut off the end at `open`: what a crash in the middle of a commit had left, of which nobody was told that it is
    safe."""
    bytes: int
    """Bytes of all entries kept now, those for the warm-up included."""
    max_bytes: int
    last_seq: int
    dead_letters: int
    """Dead letters kept now."""
    dead_letters_dropped: int
    drain_rate: float
    """Bytes per second that left the log lately."""
    commit_seconds: Distribution | None = None
    """How long commits took, writing and syncing; None where nothing is synced."""
    failure: str | None = None
    """Why the last commit failed, a moment ago; None when all is well."""


class ExporterState(StrEnum):
    """What a delivery is doing."""

    STARTING = "starting"
    """The exporter's `start` has not succeeded yet."""
    RUNNING = "running"
    RETRYING = "retrying"
    """The last attempt failed; the batch will be written again."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ExporterStatus:
    """Of one delivery. Counters run from the start of the pipeline."""

    state: ExporterState
    written: int
    """Records in writes that succeeded; of several versions of a record in one batch only the highest is written."""
    batches: int
    retries: int
    dead: int
    """Records given to the dead letters."""
    in_flight: int
    """Batches being written or waiting for their next attempt."""
    buffered_records: int
    buffered_bytes: int
    cursor: int
    """Everything up to this place of the log is written or dead."""
    lag: int
    """Places between the cursor and the end of the log."""
    oldest_age: float
    """Seconds since the oldest entry that is not delivered was received; 0 when there is none."""
    catching_up: bool
    """Whether it is fed from the log on its own, behind the others."""
    last_error: str | None
    sent: Mapping[Signal, int] = field(default_factory=dict)
    """Items of the entries that it is done with, less records that became dead letters."""
    failed: Mapping[Signal, int] = field(default_factory=dict)
    """Records that became dead letters, by the signal they count for."""
    waiting_bytes: int = 0
    """Bytes of the entries behind its cursor, too many by at most a block of the log's index."""
    write_seconds: Distribution | None = None
    """How long its attempts to write took."""


@dataclass(frozen=True, slots=True)
class MappingStatus:
    """Of the mapping stage; see `MappingCounts`."""

    seconds: float
    kinds: Mapping[str, int]
    dialects: Mapping[str, int]
    unpriced: Mapping[str, int]
    traces: int
    """Traces that the live mapper remembers, their items, and rough bytes."""
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """Of the whole pipeline."""

    accepted_requests: int
    accepted_items: int
    mapped_entries: int
    """Entries mapped for delivery; one that was mapped again for an exporter that fell behind counts twice."""
    mapped_records: int
    unmappable_items: int
    """Items given to the dead letters because the mapper raised."""
    log: LogStatus
    exporters: Mapping[str, ExporterStatus]
    mapping: MappingStatus
    refused_items: Mapping[Signal, int]
    """Items of requests that the log did not take."""

    def counts(self) -> dict[str, Any]:
        """As plain values, without what is for metrics alone."""
        plain = asdict(self)
        plain["log"].pop("commit_seconds")
        for exporter in plain["exporters"].values():
            exporter.pop("write_seconds")
        return plain
