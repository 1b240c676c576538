"""The thread that writes the log's files."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from spanledger.errors import LogError
from spanledger.pipeline.base import Entry
from spanledger.pipeline.log_file import LogFile

T = TypeVar("T")

Settle: TypeAlias = Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True)
class _Append:
    entries: Sequence[Entry]
    settle: Settle


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[LogFile], Any]
    future: asyncio.Future[Any]


_Outcome: TypeAlias = tuple[_Append | _Job, Any, Exception | None]


class LogWriter:
    """Does on the files what it is given, in that order. Appends that arrive while others are being synced share the
    next sync: that is the group commit."""

    def __init__(self, file: LogFile, loop: asyncio.AbstractEventLoop) -> None:
        self._file = file
        self._loop = loop
        self._work: queue.SimpleQueue[_Append | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spanledger-log", daemon=True)
        self._thread.start()

    def append(self, entries: Sequence[Entry], settle: Settle) -> None:
        """Append entries; `settle` is called on the event loop once they are safe, or with the error if none of them
        is."""
        self._work.put(_Append(entries, settle))

    async def run(self, run: Callable[[LogFile], T]) -> T:
        """Do something else on the files; raises what it raised."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._work.put(_Job(run, future))
        return await future

    async def close(self) -> None:
        """Finish everything, close the files, end the thread."""
        self._work.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        last = False
        while not last:
            work: list[_Append | _Job] = []
            waiting = True
            while waiting:
                one = self._work.get()
                if one is None:
                    last = True
                    break
                work.append(one)
                waiting = not self._work.empty()
            outcomes = list(self._outcomes(work))
            if last:
                self._file.close()
            if outcomes:
                with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everyone who waited
                    self._loop.call_soon_threadsafe(_settle, outcomes)

    def _outcomes(self, work: Sequence[_Append | _Job]) -> Iterable[_Outcome]:
        group: list[_Append] = []
        for one in work:
            if isinstance(one, _Append):
                group.append(one)
                continue
            yield from self._append(group)
            group = []
            try:
                yield one, one.run(self._file), None
            except Exception as error:
                yield one, None, error
        yield from self._append(group)

    def _append(self, group: Sequence[_Append]) -> Iterable[_Outcome]:
        if not group:
            return
        error: Exception | None = None
        try:
            self._file.append([entry for append in group for entry in append.entries])
        except Exception as failure:
            error = failure
        for append in group:
            yield append, None, error


def _settle(outcomes: Sequence[_Outcome]) -> None:
    for one, result, error in outcomes:
        if isinstance(one, _Append):
            one.settle(error)
        elif one.future.done():
            continue
        elif error is None:
            one.future.set_result(result)
        else:
            one.future.set_exception(error)


def log_error(error: Exception) -> LogError:
    """What a caller of the log is told about a failure."""
    return error if isinstance(error, LogError) else LogError(f"the log cannot be written: {error}")
