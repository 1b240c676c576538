"""A TCP proxy that breaks connections on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

_CHUNK = 64 * 1024


class Proxy:
    """Forwards to a port of this machine, well or badly."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.delay = 0.0
        """Seconds that each piece takes."""
        self.lose_answers = 0
        """To how many requests that hold `marker` the answer is still to be lost, and the connection with it."""
        self.marker = b"insert_deduplication_token"
        self.lost = 0
        self.swallowed = asyncio.Event()
        """Something was sent into the void since `hold`."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody listens, and every connection is reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Let nothing through, and tell nobody: what a cable does that was pulled."""
        self.swallowed.clear()
        self._flowing.clear()

    def flow(self) -> None:
        """Let through what comes from here on; what was held is lost with its connections."""
        self.cut()
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            above, to_above = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
        else:
            self._open.add(to_above)
            doomed = asyncio.Event()
            ways = [
                asyncio.create_task(self._up(reader, to_above, doomed)),
                asyncio.create_task(self._down(above, writer, doomed)),
            ]
            try:
                with contextlib.suppress(asyncio.CancelledError):  # `stop`; streams report a cancelled handler
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                to_above.transport.abort()
                self._open.discard(to_above)
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await self._read(reader):
            if self.lose_answers and self.marker in data:
                self.lose_answers -= 1
                doomed.set()
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await self._read(reader):
            if doomed.is_set():
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        try:
            data = await reader.read(_CHUNK)
        except ConnectionError:
            return b""
        if self.delay:
            await asyncio.sleep(self.delay)
        if data and not self._flowing.is_set():
            self.swallowed.set()
            await asyncio.Event().wait()
        return data


@contextlib.asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
