"""What was deleted from a store while it was on its way there.

A record waits in the log, in a buffer, or for a store that is away, perhaps for a day. What of it was deleted meanwhile
must not come back with it. So a deletion is noted in the store, by whichever process it is asked of, and after every
batch the delivery asks for the notes that are younger than the batch. A deletion that is noted after this question
finds the batch in the store. What was received after a deletion is new, and stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from spanledger.exporters.base import Deleted
from spanledger.pipeline.batch import Batch, Cargo

Item = TypeVar("Item")
_Erased = TypeVar("_Erased", contravariant=True)


class Eraser(Protocol[_Erased]):
    """What `Exporter` and `RawExporter` have in common."""

    async def deleted(self, since_ns: int, /) -> Sequence[Deleted]: ...

    async def erase(self, batch: Sequence[_Erased], /, *, for_good: bool) -> None: ...


class Doomed(Generic[Item]):
    """Which records of a batch were deleted before they arrived."""

    def __init__(self, batch: Batch[Item], cargo: Cargo[Item], exporter: Eraser[Item]) -> None:
        self._batch = batch
        self._cargo = cargo
        self._exporter = exporter
        self.since_ns = min((share.received_ns for share, _ in batch.shares), default=0)
        """When the oldest record of the batch was received."""

    async def taken_out(self, records: Sequence[Item]) -> Sequence[Item]:
        """Erase from the store those of the records that were deleted; the others. Raises `StoreError`."""
        notes = await self._exporter.deleted(self.since_ns)
        if not notes:
            return records
        received = self._batch.received()
        return await erase_deleted(self._exporter, self._cargo, [(one, received[id(one)]) for one in records], notes)


async def erase_deleted(
    exporter: Eraser[Item], cargo: Cargo[Item], records: Sequence[tuple[Item, int]], notes: Sequence[Deleted]
) -> list[Item]:
    """Erase what the notes are about of records that came with the time at which they were received; the others."""
    left: list[Item] = []
    gone: dict[bool, list[Item]] = defaultdict(list)
    for record, received_ns in records:
        hits = [note for note in notes if received_ns <= note.at_ns and cargo.is_about(record, note)]
        for_good = bool(hits) and all(note.for_good for note in hits)
        if hits:
            gone[for_good].append(record)
        if not hits or (cargo.parts and for_good):
            left.append(record)
    for for_good, some in gone.items():
        await exporter.erase(some, for_good=for_good)
    return left
