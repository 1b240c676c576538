"""The contract of an exporter: encode records and write a batch. Nothing else.

Queueing, batching, splitting, retry with backoff, dead letters and metrics come from the pipeline. An exporter never
retries, sleeps or logs a failed write on its own: it answers, and the pipeline acts.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from spanledger.model.records import Record


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record that the store will never take, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Answer of `Exporter.write`.

    - all defaults: every record is stored, durably as far as the store promises it.
    - `retry` is a reason: nothing may be assumed stored; write the same batch again with the same token, not before
      `retry_after` seconds when that is set.
    - `rejected`: exactly these records can never be stored; all others are.
    - `refused` is a reason: nothing was stored, and the same batch never will be; somebody in it is at fault. It is
      written again in halves.
    - `stored` goes with `retry` or `refused`: these were stored all the same, and only the others come again.
    - `turned_down` goes with `retry`: it was the credentials that were not taken.
    """

    retry: str | None = None
    retry_after: float | None = None
    rejected: Sequence[Rejection] = field(default=())
    refused: str | None = None
    stored: Sequence[int] = field(default=())
    turned_down: bool = field(default=False, compare=False)

    def placed(self, places: Sequence[int]) -> WriteResult:
        """The same answer to a caller whose records at `places` were the batch."""
        if not self.rejected and not self.stored:
            return self
        return replace(
            self,
            rejected=tuple(Rejection(places[rejection.index], rejection.reason) for rejection in self.rejected),
            stored=tuple(places[at] for at in self.stored),
        )


WRITTEN = WriteResult()


@dataclass(frozen=True, slots=True)
class Deleted:
    """A note of a store: at `at_ns` this was deleted from it, and with it whatever had been received before and was
    still on its way. Without run and user it was the whole project."""

    project_id: str
    at_ns: int
    """Nanoseconds since the Unix epoch."""
    run_id: str | None = None
    user_sha256: str | None = None
    """SHA-256 of the user's id, in hex: a note must not keep what was to be forgotten."""

    @property
    def for_good(self) -> bool:
        """Whether its runs never come back. Those of a project may: it may be begun anew, with the same data."""
        return self.run_id is not None or self.user_sha256 is not None


def sha256_of(user_id: str) -> str:
    """As in `Deleted.user_sha256`."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


class Exporter(ABC):
    """Writes records to one destination. `write` is never called before `start` returned or after `close` began, and
    never twice at the same time unless `concurrency` says so."""

    name: str = "exporter"
    concurrency: int = 1

    @abstractmethod
    async def start(self) -> None:
        """Connect, migrate, check. May block for seconds. Raises `StoreUnavailable` when the destination is away
        (the pipeline calls again later) and another `SpanledgerError` when it can never work."""

    @abstractmethod
    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Write a batch. Idempotent: the same record again, in this or another cut, changes nothing; a record with a
        lower `version` than the stored one changes nothing. `token` names the batch for stores that deduplicate.
        Answers instead of raising for anything that the destination says; raises only for programming errors."""

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """What was deleted from the store at this time or later. Asked after every batch, with the time at which its
        oldest record was received; see `erase`. Raises `StoreError`."""
        return ()

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """Take records out that should not have been written: they were received before they were deleted. `for_good`:
        runs among them never come back. Raises `StoreError`."""
        return

    @abstractmethod
    async def close(self) -> None:
        """Release everything. Called once, after the last `write` returned."""
