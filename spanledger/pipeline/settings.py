"""Settings of the pipeline: the log, the hand-off to the mapping, and delivery to the exporters."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from spanledger.settings import Duration, Settings

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB
_GIB: Final = 1024 * _MIB


class Durability(StrEnum):
    """What an acknowledgement means."""

    DURABLE = "durable"
    """The request is on disk, synced."""
    MEMORY = "memory"
    """The request is queued in this process; it is lost when the process dies."""


class WhenFull(StrEnum):
    """What happens to a new request while the log is full."""

    REFUSE = "refuse"
    """The sender is told when to try again."""
    BLOCK = "block"
    """The sender waits for its answer until there is room."""
    DROP_OLDEST = "drop_oldest"
    """The oldest entries are dropped, delivered or not: acknowledged data is lost, and counted."""


class WarmUpSettings(Settings):
    """How much of what was delivered already stays in the log. The mapping reads it again after a restart and throws
    the records away, so that late facts still meet the trace they belong to. Whichever bound is met first holds; they
    should reach as far back as the mapping's memory of traces."""

    max_entries: int = Field(default=10_000, ge=0)
    """Requests. 0 keeps nothing."""
    max_bytes: int = Field(default=32 * _MIB, ge=0)
    """Bytes of request bodies."""
    max_age: Duration = Field(default=900.0, ge=0)
    """Received at most this long before the last delivered entry."""


class LogSettings(Settings):
    """What the log in memory and the log on disk have in common."""

    max_bytes: int = Field(default=4 * _GIB, ge=1)
    """Bytes of all entries kept. Delivered entries kept for the warm-up go first when room is needed."""
    max_age: Duration = Field(default=0.0, ge=0)
    """The log counts as full, too, while something that was received longer ago waits for an exporter; 0: at no age.
    Nothing goes for its age alone, but by `when_full: drop_oldest`."""
    when_full: WhenFull = WhenFull.REFUSE
    """What happens to a new request while the log is full."""
    warm_up: WarmUpSettings = WarmUpSettings()
    """Delivered entries that are kept for the mapping's memory."""
    dead_letters_max_bytes: int = Field(default=256 * _MIB, ge=1)
    """Bytes of dead letters kept; beyond it the oldest go, and are counted."""


class MemoryLogSettings(LogSettings):
    """The log in memory (`durability: memory`)."""

    max_bytes: int = Field(default=256 * _MIB, ge=1)
    """Bytes of all entries kept. Delivered entries kept for the warm-up go first when room is needed."""
    warm_up: WarmUpSettings = WarmUpSettings(max_bytes=4 * _MIB)
    """Delivered entries that are kept for the mapping's memory: for an exporter that fell behind, as after a restart
    there are none."""


class FileStorageSettings(LogSettings):
    """Extension `file_storage`: the durable log. Keys of the Collector's extension of that name are accepted, so that
    its configurations load; those without effect say so."""

    directory: Path = Path("./data/log")
    """Made when missing, readable for its owner only. One process at a time."""
    min_free_bytes: int = Field(default=64 * _MIB, ge=0)
    """Room on the disk that appends leave alone: without any, not even deliveries could be noted down."""
    segment_bytes: int = Field(default=32 * _MIB, ge=1)
    """The log is a row of files of about this size, at most an eighth of `max_bytes`. Room is given back by whole
    files, so the log may take that much more than `max_bytes`."""
    group_commit: Duration = Field(default=0.002, ge=0)
    """How long an append may wait for others that share its sync to disk, unless as many have come as lately shared
    one; 0 syncs as fast as the disk can."""
    timeout: Duration = Field(default=1.0, ge=0)
    """How long to wait for another process to leave the directory."""
    create_directory: bool = True
    """Accepted; the directory is always made."""
    directory_permissions: str = "0700"
    """Accepted; entries hold prompts, so nobody else may ever read the directory."""
    fsync: bool = True
    """Accepted; every acknowledged entry is synced."""
    recreate: bool = True
    """Accepted; a damaged log is always read around the damage, and what is damaged kept aside."""
    compaction: dict[str, object] = Field(default_factory=dict)
    """Accepted; the log deletes its files when they are delivered."""


class BatchSettings(Settings):
    """How records are cut into writes; whichever bound is met first cuts."""

    max_items: int = Field(default=2000, ge=1)
    """Records."""
    max_bytes: int = Field(default=16 * _MIB, ge=1)
    """Bytes, estimated from the requests that the records came in."""
    flush_timeout: Duration = Field(default=0.2, ge=0)
    """The longest wait for a batch to fill; 0 writes at once."""


class RetrySettings(Settings):
    """Wait before attempt n+1: a random part of `initial_interval` × `multiplier`ⁿ, at most of `max_interval`, and
    never less than the store asked for. Attempts never end by time or number."""

    initial_interval: Duration = Field(default=0.5, gt=0)
    """Upper bound of the first wait."""
    max_interval: Duration = Field(default=30.0, gt=0)
    """Upper bound of every wait."""
    multiplier: float = Field(default=2.0, ge=1)
    """Growth of the bound from wait to wait."""

    @model_validator(mode="after")
    def _intervals(self) -> Self:
        if self.max_interval < self.initial_interval:
            raise ValueError("max_interval must be greater or equal to initial_interval")
        return self


class DeliverySettings(Settings):
    """Delivery to one exporter."""

    batch: BatchSettings = BatchSettings()
    """How records are cut into writes."""
    retry: RetrySettings = RetrySettings()
    """How failed writes are repeated."""
    buffer_bytes: int = Field(default=64 * _MIB, ge=1)
    """Estimated bytes of mapped records that wait in memory. Beyond it the exporter is fed from the log later, and
    others go on."""


class PipelineSettings(Settings):
    """The road from an accepted request to the exporters."""

    durability: Durability = Durability.DURABLE
    """What an acknowledgement means."""
    log: FileStorageSettings = FileStorageSettings()
    """The log on disk, for `durability: durable`."""
    memory: MemoryLogSettings = MemoryLogSettings()
    """The log in memory, for `durability: memory`."""
    handoff_bytes: int = Field(default=4 * _MIB, ge=0)
    """Bytes of request bodies whose decoded items wait in memory for the mapping (decoded, they take several times as
    much). Beyond it the mapping reads them from the log and decodes them again."""
    start_timeout: Duration = Field(default=5.0, ge=0)
    """How long a start waits for the exporters' first answer; those that are away then are tried again and again."""
    delivery: DeliverySettings = DeliverySettings()
    """Delivery to every exporter that has no settings of its own."""
