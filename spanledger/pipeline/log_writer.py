"""The thread that writes the log's file."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from spanledger.errors import LogError
from spanledger.pipeline.log_file import LogFile, is_damage, primary_code
from spanledger.pipeline.salvage import Salvaged

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[LogFile], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    alone: bool


_Outcome = tuple[_Job, Any, Exception | None]


class LogWriter:
    """Runs jobs on the file in the order they were given. Jobs that arrive while a transaction is being synced share
    the next one: that is the group commit, whatever the jobs are."""

    def __init__(self, file: LogFile, loop: asyncio.AbstractEventLoop, on_salvage: Callable[[Salvaged], None]) -> None:
        self._file = file
        self._loop = loop
        self._on_salvage = on_salvage
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="spanledger-log", daemon=True)
        self._thread.start()

    def submit(
        self,
        run: Callable[[LogFile], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Run a job inside a transaction; `done` or `failed` is called on the event loop once it is over, in the order
        of the jobs."""
        self._jobs.put(_Job(run, done, failed, alone=False))

    async def salvage(self) -> None:
        """Replace the damaged file by what can be read of it."""
        await self.run(lambda _: self._salvage(), alone=True)

    async def run(self, run: Callable[[LogFile], T], *, alone: bool = False) -> T:
        """As `submit`, awaited. `alone` runs it outside a transaction. Raises what the job raised, SQLite's errors as
        they are."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: T) -> None:
            if not future.done():
                future.set_result(result)

        def failed(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        self._jobs.put(_Job(run, done, failed, alone))
        return await future

    async def close(self) -> None:
        """Finish all jobs, close the file, end the thread."""
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        last = False
        while not last:
            jobs: list[_Job] = []
            waiting = True
            while waiting:
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                jobs.append(job)
                waiting = not self._jobs.empty()
            outcomes = self._execute(jobs)
            if last:
                self._file.close()
            if outcomes:
                with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everyone who waited
                    self._loop.call_soon_threadsafe(_settle, outcomes)

    def _execute(self, jobs: list[_Job]) -> list[_Outcome]:
        together = [job for job in jobs if not job.alone]
        if len(together) == len(jobs) > 1:
            try:
                with self._file.transaction():
                    results = [job.run(self._file) for job in jobs]
                return [(job, result, None) for job, result in zip(jobs, results, strict=True)]
            except Exception:  # one of them spoils the transaction of all, so each gets one of its own
                return [self._execute_one(job) for job in jobs]
        return [self._execute_one(job) for job in jobs]

    def _execute_one(self, job: _Job) -> _Outcome:
        try:
            return job, self._attempt(job), None
        except sqlite3.Error as error:
            try:
                if is_damage(error):
                    self._salvage()
                    return job, self._attempt(job), None
                if primary_code(error) == sqlite3.SQLITE_IOERR:
                    self._file.reopen()
            except Exception as second:
                return job, None, second
            return job, None, error
        except Exception as error:
            return job, None, error

    def _salvage(self) -> None:
        salvaged = self._file.salvage()
        self._loop.call_soon_threadsafe(self._on_salvage, salvaged)

    def _attempt(self, job: _Job) -> Any:
        if job.alone:
            return job.run(self._file)
        with self._file.transaction():
            return job.run(self._file)


def _settle(outcomes: list[_Outcome]) -> None:
    for job, result, error in outcomes:
        if error is None:
            job.done(result)
        else:
            job.failed(error)


def log_error(error: Exception) -> LogError:
    """What a caller of the log is told about a failed job."""
    return error if isinstance(error, LogError) else LogError(f"the log cannot be written: {error}")
