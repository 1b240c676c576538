"""The durable log: an append is on disk, synced, before its sender is answered."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from spanledger.errors import LogError, Overloaded, SpanledgerError
from spanledger.model.received import Encoding, Received, Signal
from spanledger.pipeline.base import ENTRY_OVERHEAD, Chunk, CommitListener, Committed, Entry, Log, stamp
from spanledger.pipeline.capacity import Capacity
from spanledger.pipeline.clock import Clock, SystemClock, Timer
from spanledger.pipeline.dead_letters import DeadLetter, StoredLetter
from spanledger.pipeline.directory_lock import DirectoryLock
from spanledger.pipeline.log_file import Content, LogFile, is_full
from spanledger.pipeline.log_reader import read
from spanledger.pipeline.log_writer import LogWriter, log_error
from spanledger.pipeline.pace import Pace
from spanledger.pipeline.settings import FileStorageSettings, WhenFull
from spanledger.pipeline.status import LogStatus
from spanledger.pipeline.waiting_age import WaitingAge

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIM_INTERVAL: Final = 1.0
_DISK_FULL_DELAY: Final = 15.0
"""Seconds after which a sender may try again when the disk is full: somebody has to make room first."""
_DISK_FULL_BELIEVED: Final = 1.0
"""Seconds in which no body is read for a disk that was full: its senders would be refused after the trouble."""
_FAILURE_TOLD: Final = 5.0
"""Seconds for which a failed commit makes a process not ready. Then it may be sent something again, and finds out."""
_ROOM_WANTED: Final = 10
"""A tenth of the bound should be free; beyond that, entries kept for the warm-up give way."""
_DROP_SHARE: Final = 64
"""`drop_oldest` makes room for 1/64 of the bound at once, or every append would have to."""


class _Append(NamedTuple):
    entry: Entry
    received: Received
    future: asyncio.Future[int]


class DurableLog(Log):
    """`Log` in a directory."""

    durable = True

    def __init__(self, settings: FileStorageSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock if clock is not None else SystemClock()
        self._lock = DirectoryLock(settings.directory)
        self._file = LogFile(settings)
        self._age = WaitingAge(settings.max_age, self._clock)
        self._capacity = Capacity(settings.max_bytes, self._clock, self._age)
        self._listener: CommitListener | None = None
        self._writer: LogWriter | None = None
        self._read_pool: ThreadPoolExecutor | None = None
        self._group: list[_Append] = []
        self._group_bytes = 0
        self._pace = Pace(settings.group_commit, self._clock, self._commit_group)
        self._trim_timer: Timer | None = None
        self._trim_lock = asyncio.Lock()
        self._trimming: set[asyncio.Task[None]] = set()
        self._may_squeeze = True
        self._disk_full_until = -math.inf
        self._failure = ""
        self._failed_until = -math.inf
        self._closing = False
        self._next_seq = 1
        self._last_seq = self._last_received_ns = self._dead_letters = self._torn_bytes = 0
        self._appended = self._appended_bytes = self._commits = 0
        self._refused = self._dropped = self._damaged = self._dead_letters_dropped = 0

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(None, self._open)
        self._capacity.used = content.bytes
        self._last_seq, self._next_seq = content.last_seq, content.last_seq + 1
        self._last_received_ns = content.last_received_ns
        self._dead_letters = content.dead_letters
        if content.oldest_waiting_ns is not None:
            self._age.found(content.last_seq, content.oldest_waiting_ns, content.last_received_ns)
        self._damaged, self._torn_bytes = content.damaged, content.torn_bytes
        if content.torn_bytes:
            logger.warning(
                "cut %d bytes off the end of the log in %s: a commit that was never finished, and never acknowledged",
                *(content.torn_bytes, self._settings.directory),
            )
        self._writer = LogWriter(self._file, loop)
        self._read_pool = ThreadPoolExecutor(1, thread_name_prefix="spanledger-log-read")

    def _open(self) -> Content:
        directory = self._settings.directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(self._settings.timeout)
        except OSError as error:
            raise LogError(f"cannot use {directory} for the log: {error.strerror}") from error
        try:
            return self._file.open(self._clock.time_ns())
        except BaseException:
            self._lock.release()
            raise

    async def close(self) -> None:
        writer, pool = self._writer, self._read_pool
        if writer is None or pool is None:
            return
        self._closing = True
        if self._trim_timer is not None:
            self._trim_timer.cancel()
        if self._trimming:
            await asyncio.wait(self._trimming)
        self._capacity.give_up(LogError("the log is closed"))
        self._commit_group()
        self._writer = self._read_pool = None
        await asyncio.get_running_loop().run_in_executor(None, pool.shutdown)
        await writer.close()
        self._lock.release()

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def on_commit(self, listener: CommitListener) -> None:
        self._listener = listener

    async def append(self, received: Received) -> int:
        self._open_writer()
        size = len(received.body) + len(received.kept) + ENTRY_OVERHEAD
        if self._capacity.fits(size):
            self._capacity.take(size)
        else:
            await self._make_room(size)
        self._last_received_ns = stamp(received.received_ns, self._last_received_ns)
        entry = Entry(
            self._next_seq,
            self._last_received_ns,
            received.project_id,
            received.signal,
            received.encoding,
            received.body,
            received.road,
            received.kept,
        )
        self._next_seq += 1
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._group.append(_Append(entry, received, future))
        self._group_bytes += size
        self._pace.added(len(self._group), self._group_bytes)
        return await future

    def check_room(self, size: int | None) -> None:
        capacity = self._capacity
        if self._clock.monotonic() < self._disk_full_until:
            self._refused += 1
            raise self._disk_full()
        size = capacity.guess(size)
        # What is kept for the warm-up may still give way to it, but finding out takes the writer's thread.
        if self._settings.when_full is WhenFull.REFUSE and not capacity.fits(size) and not self._may_squeeze:
            self._refused += 1
            raise capacity.overloaded(size)

    async def _make_room(self, size: int) -> None:
        """Take room for an entry where there is none, by the policy."""
        capacity = self._capacity
        if self._may_squeeze:
            await self._trim(wanted=max(size, capacity.max_bytes // _ROOM_WANTED))
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
                await self._drop_oldest(size)
                capacity.take(size)
        self._open_writer()

    async def _drop_oldest(self, size: int) -> None:
        async with self._trim_lock:
            if self._capacity.fits(size):
                return
            expired = self._age.expired
            excess = self._capacity.used + size - self._capacity.max_bytes
            wanted = max(excess, self._capacity.max_bytes // _DROP_SHARE) if excess > 0 else 0
            entries, freed = await self._run(lambda file: file.drop_oldest(wanted, expired))
            self._age.passed(expired)
            self._capacity.release(freed)
            self._dropped += entries
            if entries:
                logger.warning("the log is full: dropped the %d oldest entries (%d bytes)", entries, freed)

    def _commit_group(self) -> None:
        group, size = self._group, self._group_bytes
        if not group or self._writer is None:
            self._pace.rest()
            return
        self._group, self._group_bytes = [], 0
        self._pace.handed(len(group))
        entries = [append.entry for append in group]

        def settle(error: Exception | None) -> None:
            self._pace.settled(len(self._group))
            if error is not None:
                self._capacity.undo(size)
                self._failure, self._failed_until = str(log_error(error)), self._clock.monotonic() + _FAILURE_TOLD
                if is_full(error):
                    self._refused += len(group)
                    self._disk_full_until = self._clock.monotonic() + _DISK_FULL_BELIEVED
                for one in group:
                    if not one.future.done():
                        one.future.set_exception(self._append_error(error))
                return
            self._failed_until = -math.inf
            self._last_seq = entries[-1].seq
            self._age.add(entries[-1].seq)
            self._appended += len(group)
            self._appended_bytes += size
            self._commits += 1
            if self._listener is not None:
                self._listener([Committed(one.entry.seq, one.entry.received_ns, one.received) for one in group])
            for one in group:
                if not one.future.done():  # its caller was cancelled; the entry stays
                    one.future.set_result(one.entry.seq)

        self._writer.append(entries, settle)

    def _append_error(self, error: Exception) -> SpanledgerError:
        return self._disk_full() if is_full(error) else log_error(error)

    def _disk_full(self) -> Overloaded:
        return Overloaded(f"the disk of the log in {self._settings.directory} is full", _DISK_FULL_DELAY)

    async def read(self, after: int, until: int, max_bytes: int) -> Chunk:
        extract = await self._read(lambda: read(self._file, after, until, max_bytes))
        if extract.damaged:
            at_ns = self._clock.time_ns()

            def quarantine(file: LogFile) -> tuple[int, int]:
                return file.quarantine(extract.damaged, at_ns), file.dead_letters.count()

            fresh, self._dead_letters = await self._run(quarantine)
            self._damaged += fresh
        return Chunk(extract.entries, extract.through)

    async def warm_up_start(self, before: int) -> int:
        return await self._read(lambda: self._file.warm_up_start(before))

    async def register(self, names: Sequence[str]) -> dict[str, int]:
        cursors, forgotten = await self._run(lambda file: file.register(names))
        self._age.passed(min(cursors.values(), default=0))
        for name, seq in forgotten.items():
            logger.warning(
                "exporter %s is gone; its place in the log (%d of %d) is forgotten", name, seq, self._last_seq
            )
        return {name: min(seq, self._last_seq) for name, seq in cursors.items()}

    async def save_cursors(self, cursors: Mapping[str, int]) -> None:
        moved = dict(cursors)

        def save(file: LogFile) -> int:
            file.save_cursors(moved)
            return file.floor

        floor = await self._run(save)
        self._may_squeeze = True
        self._age.passed(floor)
        if self._capacity.awaited:
            self._trim_soon()
        elif self._trim_timer is None:
            self._trim_timer = self._clock.call_later(_TRIM_INTERVAL, self._trim_soon)

    async def shed(self) -> None:
        if await self._run(lambda file: file.roll()):
            # The newest file with entries stays: from here on it is one that holds nothing.
            await self.append(Received("", Signal.TRACES, Encoding.PROTOBUF, b"", (), self._clock.time_ns()))
        async with self._trim_lock:
            self._capacity.release(await self._run(lambda file: file.trim(keep_warm_up=False)))

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        at_ns = self._clock.time_ns()

        def add(file: LogFile) -> tuple[int, int]:
            return file.dead_letters.add(letters, at_ns), file.dead_letters.count()

        dropped, self._dead_letters = await self._run(add)
        if dropped:
            self._dead_letters_dropped += dropped
            logger.error("dropped the %d oldest dead letters: their bound is reached", dropped)

    async def dead_letters(self, after: int = 0, limit: int = 100) -> list[StoredLetter]:
        return await self._run(lambda file: file.dead_letters.list(after, limit))

    def bytes_after(self, seq: int) -> int:
        return sum(segment.bytes - segment.bytes_before(seq) for segment in self._file.segments)

    def status(self) -> LogStatus:
        return LogStatus(
            entries_appended=self._appended,
            bytes_appended=self._appended_bytes,
            commits=self._commits,
            refused=self._refused,
            dropped=self._dropped,
            damaged=self._damaged,
            torn_bytes=self._torn_bytes,
            bytes=self._capacity.used,
            max_bytes=self._capacity.max_bytes,
            last_seq=self._last_seq,
            dead_letters=self._dead_letters,
            dead_letters_dropped=self._dead_letters_dropped,
            drain_rate=self._capacity.drain_rate(),
            commit_seconds=self._file.commit_seconds.copy(),
            failure=self._failure if self._clock.monotonic() < self._failed_until else None,
        )

    def _open_writer(self) -> LogWriter:
        if self._writer is None:
            raise LogError("the log is not open")
        return self._writer

    async def _run(self, job: Callable[[LogFile], T]) -> T:
        try:
            return await self._open_writer().run(job)
        except OSError as error:
            raise log_error(error) from error

    async def _read(self, job: Callable[[], T]) -> T:
        if self._read_pool is None:
            raise LogError("the log is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._read_pool, job)
        except OSError as error:
            raise LogError(f"the log cannot be read: {error}") from error

    def _trim_soon(self) -> None:
        """Delete what every cursor passed. Not after every batch, because each time costs a look at the warm-up."""
        if self._trim_timer is not None:
            self._trim_timer.cancel()
            self._trim_timer = None
        if not self._closing:
            wanted = max(self._capacity.max_bytes // _ROOM_WANTED, self._capacity.awaited)
            task = asyncio.get_running_loop().create_task(self._trim(wanted=wanted))
            self._trimming.add(task)
            task.add_done_callback(self._trimming.discard)

    async def _trim(self, *, wanted: int) -> None:
        """Delete what every cursor passed; of the warm-up only what stands in the way of `wanted` bytes."""
        async with self._trim_lock:
            capacity = self._capacity
            try:
                capacity.release(await self._run(lambda file: file.trim(keep_warm_up=True)))
                if self._may_squeeze and capacity.used + wanted > capacity.max_bytes and not self._closing:
                    capacity.release(await self._run(lambda file: file.trim(keep_warm_up=False)))
                    self._may_squeeze = False
            except LogError as error:
                logger.warning("delivered entries stay in the log for now: %s", error)
