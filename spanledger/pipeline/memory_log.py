"""The log in memory: an acknowledgement means "queued in this process", and dies with it."""

from __future__ import annotations

import bisect
import logging
from collections import deque
from collections.abc import Mapping, Sequence

from spanledger.errors import LogError
from spanledger.model.received import Received
from spanledger.pipeline.base import ENTRY_OVERHEAD, Chunk, CommitListener, Committed, Entry, Log, stamp
from spanledger.pipeline.capacity import Capacity
from spanledger.pipeline.clock import Clock, SystemClock
from spanledger.pipeline.dead_letters import DeadLetter, StoredLetter
from spanledger.pipeline.settings import MemoryLogSettings, WhenFull
from spanledger.pipeline.status import LogStatus
from spanledger.pipeline.waiting_age import WaitingAge

logger = logging.getLogger(__name__)

_TRIM_ENTRIES, _TRIM_BYTES = 1000, 1024 * 1024
"""Trim when the slowest cursor went this far, or so much came in, since the last time: each trim walks the warm-up."""


class MemoryLog(Log):
    """`Log` in this process. The same bounds and cursors as on disk; nothing is there after a restart."""

    durable = False

    def __init__(self, settings: MemoryLogSettings | None = None, clock: Clock | None = None) -> None:
        self._settings = settings if settings is not None else MemoryLogSettings()
        self._clock = clock if clock is not None else SystemClock()
        self._age = WaitingAge(self._settings.max_age, self._clock)
        self._capacity = Capacity(self._settings.max_bytes, self._clock, self._age)
        self._entries: list[Entry] = []
        self._cursors: dict[str, int] = {}
        self._letters: deque[StoredLetter] = deque()
        self._letter_keys: set[bytes] = set()
        self._letter_bytes = self._letter_id = 0
        self._listener: CommitListener | None = None
        self._is_open = False
        self._trimmed_at = self._trimmed_bytes = 0
        self._last_seq = self._last_received_ns = 0
        self._appended = self._appended_bytes = self._refused = self._dropped = self._letters_dropped = 0

    async def open(self) -> None:
        self._is_open = True
        self._capacity.resume()

    async def close(self) -> None:
        self._is_open = False
        self._capacity.give_up(LogError("the log is closed"))

    def use(self, settings: MemoryLogSettings) -> None:
        """Other settings, between `close` and the next `open`; what it holds stays."""
        self._settings = settings
        self._capacity.max_bytes = settings.max_bytes

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def on_commit(self, listener: CommitListener) -> None:
        self._listener = listener

    async def append(self, received: Received) -> int:
        size = len(received.body) + len(received.kept) + ENTRY_OVERHEAD
        await self._admit(size)
        if not self._is_open:
            raise LogError("the log is not open")
        self._last_seq += 1
        self._last_received_ns = stamp(received.received_ns, self._last_received_ns)
        entry = Entry(
            self._last_seq,
            self._last_received_ns,
            received.project_id,
            received.signal,
            received.encoding,
            received.body,
            received.road,
            received.kept,
        )
        self._entries.append(entry)
        self._age.add(entry.seq)
        self._appended += 1
        self._appended_bytes += size
        if self._listener is not None:
            self._listener([Committed(entry.seq, entry.received_ns, received)])
        return entry.seq

    def check_room(self, size: int | None) -> None:
        capacity = self._capacity
        size = capacity.guess(size)
        if self._settings.when_full is not WhenFull.REFUSE or capacity.fits(size):
            return
        self._trim(squeeze=True)
        if not capacity.fits(size):
            self._refused += 1
            raise capacity.overloaded(size)

    async def _admit(self, size: int) -> None:
        capacity = self._capacity
        if not capacity.fits(size):
            self._trim(squeeze=True)
        if capacity.fits(size):
            capacity.take(size)
            return
        match self._settings.when_full:
            case WhenFull.REFUSE:
                self._refused += 1
                raise capacity.overloaded(size)
            case WhenFull.BLOCK:
                await capacity.wait(size)
            case WhenFull.DROP_OLDEST:
                count = self._index_after(self._age.expired)
                self._age.passed(self._age.expired)
                excess = capacity.used + size - capacity.max_bytes
                excess -= sum(entry.size for entry in self._entries[:count])
                while excess > 0 and count < len(self._entries):
                    excess -= self._entries[count].size
                    count += 1
                self._delete(count)
                self._dropped += count
                capacity.take(size)
                if count:
                    logger.warning("the log is full: dropped the %d oldest entries", count)

    async def read(self, after: int, until: int, max_bytes: int) -> Chunk:
        entries: list[Entry] = []
        size = 0
        for at in range(self._index_after(after), len(self._entries)):
            entry = self._entries[at]
            if entry.seq > until:
                break
            entries.append(entry)
            size += entry.size
            if size >= max_bytes:
                return Chunk(entries, entry.seq)
        return Chunk(entries, until)

    async def warm_up_start(self, before: int) -> int:
        return self._warm_up_start(before)

    async def register(self, names: Sequence[str]) -> dict[str, int]:
        slowest = min(self._cursors.values(), default=0)
        self._cursors = {name: self._cursors.get(name, slowest) for name in names}
        return dict(self._cursors)

    async def save_cursors(self, cursors: Mapping[str, int]) -> None:
        self._cursors.update(cursors)
        self._age.passed(min(self._cursors.values(), default=0))
        self._trim(squeeze=self._capacity.awaited > 0)

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        at_ns = self._clock.time_ns()
        for letter in letters:
            if letter.key not in self._letter_keys:
                self._letter_id += 1
                self._letters.append(StoredLetter(self._letter_id, at_ns, letter))
                self._letter_keys.add(letter.key)
                self._letter_bytes += len(letter.content)
        while self._letter_bytes > self._settings.dead_letters_max_bytes and len(self._letters) > 1:
            oldest = self._letters.popleft().letter
            self._letter_keys.discard(oldest.key)
            self._letter_bytes -= len(oldest.content)
            self._letters_dropped += 1

    async def dead_letters(self, after: int = 0, limit: int = 100) -> list[StoredLetter]:
        return [stored for stored in self._letters if stored.id > after][:limit]

    def bytes_after(self, seq: int) -> int:
        return sum(entry.size for entry in self._entries[self._index_after(seq) :])

    def status(self) -> LogStatus:
        return LogStatus(
            entries_appended=self._appended,
            bytes_appended=self._appended_bytes,
            commits=self._appended,
            refused=self._refused,
            dropped=self._dropped,
            damaged=0,
            torn_bytes=0,
            bytes=self._capacity.used,
            max_bytes=self._capacity.max_bytes,
            last_seq=self._last_seq,
            dead_letters=len(self._letters),
            dead_letters_dropped=self._letters_dropped,
            drain_rate=self._capacity.drain_rate(),
        )

    def _index_after(self, seq: int) -> int:
        return bisect.bisect_right(self._entries, seq, key=lambda entry: entry.seq)

    def _warm_up_start(self, before: int) -> int:
        bounds = self._settings.warm_up
        end = self._index_after(before)
        if end == 0:
            return before
        oldest_ns = self._entries[end - 1].received_ns - round(bounds.max_age * 1e9)
        start, size = end, 0
        while start > 0 and end - start < bounds.max_entries:
            entry = self._entries[start - 1]
            size += entry.size
            if size > bounds.max_bytes or entry.received_ns < oldest_ns:
                break
            start -= 1
        return self._entries[start].seq - 1 if start < end else before

    def _trim(self, *, squeeze: bool) -> None:
        floor = min(self._cursors.values(), default=0)
        due = floor - self._trimmed_at >= _TRIM_ENTRIES or self._appended_bytes - self._trimmed_bytes >= _TRIM_BYTES
        if squeeze or due:
            self._trimmed_at, self._trimmed_bytes = floor, self._appended_bytes
            self._delete(self._index_after(floor if squeeze else self._warm_up_start(floor)))

    def _delete(self, count: int) -> None:
        freed = sum(entry.size for entry in self._entries[:count])
        del self._entries[:count]
        self._capacity.release(freed)
