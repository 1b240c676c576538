"""A connection and the one thread that uses it: the driver blocks, and the embedded engine wants one writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.embedded import require_chdb
from spanledger.exporters.clickhouse.settings import ClickHouseSettings

_T = TypeVar("_T")


class ConnectionThread:
    """Starts and ends as often as an exporter does."""

    def __init__(self, name: str, settings: ClickHouseSettings) -> None:
        """Raises `StoreError` when the embedded engine is asked for and not installed."""
        if settings.embedded_path is not None:
            # Here and not in the thread: while chdb 4.4 is imported, the current directory of the process is its own,
            # and whoever opens a relative path meanwhile (the log, a file) opens another.
            require_chdb()
        self._name = name
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """For work in the thread. Raises `RuntimeError` when it is not started."""
        if self._connection is None:
            raise RuntimeError("the exporter is not started")
        return self._connection

    @property
    def started(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    async def start(self, connect: Callable[[], Connection]) -> None:
        """Open the connection in the thread; raises what that raises, with nothing left behind."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        try:
            self._connection = await self.run(connect)
        except BaseException:
            await self.close()
            raise

    async def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do something in the thread."""
        if self._thread is None:
            raise RuntimeError("the exporter is not started")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        thread, self._thread = self._thread, None
        connection, self._connection = self._connection, None
        if thread is None:
            return
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(thread, connection.close)
        thread.shutdown(wait=False)
