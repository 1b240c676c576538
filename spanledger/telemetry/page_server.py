"""A small HTTP server for people and probes, beside the receivers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from spanledger.errors import ConfigError
from spanledger.settings import split_endpoint

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class PageServer:
    """Answers GET on some paths."""

    def __init__(self, endpoint: str, trouble: str) -> None:
        """`trouble`: what is said, before the reason, when the endpoint cannot be had."""
        self._endpoint = endpoint
        self._trouble = trouble
        self._runner: web.AppRunner | None = None
        self.address = endpoint
        """Where it listens; after `listen`, with the port that was taken for port 0."""

    async def listen(self, answers: Mapping[str, Answer]) -> None:
        """Begin to listen. Raises `ConfigError` when the endpoint cannot be had."""
        app = web.Application()
        for path, answer in answers.items():
            app.router.add_get(path, answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = split_endpoint(self._endpoint)
        try:
            await web.TCPSite(runner, host or None, port).start()
        except OSError as error:
            await runner.cleanup()
            reason = error.strerror or str(error)
            raise ConfigError(f"{self._trouble}: {reason}") from None
        self._runner = runner
        taken = runner.addresses[0][1]
        self.address = f"[{host}]:{taken}" if ":" in host else f"{host}:{taken}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
