"""The contracts inside the pipeline: what a log promises, what a mapper promises."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from spanledger.errors import LogError
from spanledger.model.received import Encoding, Item, Received, Signal
from spanledger.model.records import Record
from spanledger.pipeline.clock import Clock, sleep
from spanledger.pipeline.dead_letters import DeadLetter, StoredLetter
from spanledger.pipeline.status import LogStatus

logger = logging.getLogger(__name__)

ENTRY_OVERHEAD: Final = 256
"""What an entry costs beyond its body when the log counts bytes: row, index, page slack."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as the log keeps it."""

    seq: int
    """Place in the log, from 1, growing; numbers may be missing."""
    received_ns: int
    """When it was received. Grows along the log by at least a microsecond, even when the machine's clock is set back:
    the versions of records come from it."""
    project_id: str
    signal: Signal
    encoding: Encoding
    body: bytes
    road: str = ""
    """As `Received.road`."""
    context: str = ""
    """As `Received.kept`."""

    @property
    def size(self) -> int:
        """Bytes that count against the log's bound."""
        return len(self.body) + len(self.context) + ENTRY_OVERHEAD


@dataclass(frozen=True, slots=True)
class Committed:
    """A request that has just become an entry, still with its decoded items."""

    seq: int
    received_ns: int
    """As in `Entry`; `received.received_ns` may be less."""
    received: Received


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive entries. There are no other readable ones up to and including `through`."""

    entries: Sequence[Entry]
    through: int


_MICROSECOND: Final = 1_000
_BURY_INTERVAL: Final = 5.0


def stamp(received_ns: int, last_ns: int) -> int:
    """`Entry.received_ns` of a request that follows an entry stamped `last_ns`."""
    return max(received_ns, last_ns + _MICROSECOND)


CommitListener: TypeAlias = Callable[[Sequence[Committed]], None]


class Log(ABC):
    """Append-only queue with one cursor per exporter. All methods belong to one event loop."""

    durable: bool
    """Whether entries outlive the process."""

    @abstractmethod
    async def open(self) -> None:
        """Make the log ready. Raises `LogError`, also when another process has it open."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun and let go. Appends after this raise `LogError`."""

    @property
    @abstractmethod
    def last_seq(self) -> int:
        """Place of the last committed entry, 0 before the first."""

    @abstractmethod
    async def append(self, received: Received) -> int:
        """Add a request; return its place once it is safe. Places follow the order of the calls, but for
        those that wait for room. Raises `Overloaded` when there is no room and `LogError` when the log cannot be
        written; nothing was kept then. A cancelled call may have kept it."""

    @abstractmethod
    def check_room(self, size: int | None) -> None:
        """Raise `Overloaded` when an append of so many bytes (None: unknown) would be refused for lack of room."""

    @abstractmethod
    def on_commit(self, listener: CommitListener) -> None:
        """Call `listener` on the event loop with all that was committed, in order and completely, before the `append`
        calls return."""

    @abstractmethod
    async def read(self, after: int, until: int, max_bytes: int) -> Chunk:
        """Entries with after < seq ≤ until, in order, about `max_bytes` of them but at least one when there is one. A
        damaged entry is left out, put among the dead letters and counted."""

    @abstractmethod
    async def warm_up_start(self, before: int) -> int:
        """Place after which the entries begin that warm up a mapping which continues after `before`."""

    @abstractmethod
    async def register(self, names: Sequence[str]) -> dict[str, int]:
        """Cursors of exactly these exporters; each other cursor is forgotten. A new exporter begins where the slowest
        cursor stands, forgotten ones included, so that renaming an exporter loses nothing."""

    @abstractmethod
    async def save_cursors(self, cursors: Mapping[str, int]) -> None:
        """Note that the exporters are done up to these places; what all of them passed may go. Raises `LogError`."""

    async def shed(self) -> None:
        """Keep nothing of what every cursor has passed, on disk neither. Raises `LogError`."""
        return

    @abstractmethod
    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep letters; one with a `key` that is there already is dropped. Raises `LogError`."""

    async def bury(self, letters: Sequence[DeadLetter], clock: Clock) -> None:
        """As `add_dead_letters`, again and again until they are kept: what a letter holds is nowhere else once the
        cursors have passed it."""
        while True:
            try:
                await self.add_dead_letters(letters)
            except LogError as error:
                logger.warning("%d dead letters cannot be kept yet: %s", len(letters), error)
                await sleep(clock, _BURY_INTERVAL)
            else:
                return

    @abstractmethod
    async def dead_letters(self, after: int = 0, limit: int = 100) -> list[StoredLetter]:
        """Letters with id > after, oldest first."""

    @abstractmethod
    def bytes_after(self, seq: int) -> int:
        """Bytes of the entries behind a place, too many by at most a block of the index. Answers at once."""

    @abstractmethod
    def status(self) -> LogStatus:
        """Counts since `open`, and what is kept now."""


class Mapper(Protocol):
    """Turns items into records and remembers recent traces. Synchronous and pure: no I/O, no clock of its own."""

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        """The records that are new or changed by these items. `now_ns` is when they were received and grows from entry
        to entry. The same calls on a new mapper give the same records, versions included; an item that comes again
        gives nothing or an equal record. Records and what they hold never change once they are returned: exporters
        read them later, and at the same time.

        Should raise nothing. When it does, the pipeline finds the items to blame with new mappers (see `SafeMapper`)
        and gives the others again with the same `now_ns`."""
