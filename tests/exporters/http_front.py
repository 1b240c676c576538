"""ClickHouse's HTTP interface in front of the embedded engine: a server for tests, with faults on demand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import chdb
import lz4.frame
from aiohttp import web

_INSERT: Final = re.compile(rb"(INSERT INTO .*? FORMAT Native)\n", re.DOTALL)
_SETTINGS_OF_INSERTS: Final = ("insert_deduplication_token", "async_insert", "max_execution_time")


@dataclass(slots=True)
class Asked:
    """A request as the server saw it."""

    sql: str
    parameters: dict[str, str]
    rows: bytes | None = None
    """The block of an insert."""


Fault: TypeAlias = Callable[[Asked, bytes], "web.StreamResponse | None"]
"""Given the request and, once the engine has answered, its answer."""


@dataclass(slots=True)
class HttpFront:
    """A front. What `before` answers stands in for the engine, what `after` answers for the engine's answer."""

    engine: Path
    asked: list[Asked] = field(default_factory=list)
    before: Fault | None = None
    after: Fault | None = None
    hangs: Callable[[Asked], bool] | None = None
    """Requests that are read and never answered."""
    endpoint: str = ""
    _connection: Any = None
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        self._connection = chdb.connect(str(self.engine))  # type: ignore[no-untyped-call]
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("POST", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.endpoint = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._connection.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parameters = dict(request.query)
        if request.content_type == "multipart/form-data":
            parameters |= {name: str(value) for name, value in (await request.post()).items()}
            body = parameters.pop("query").encode()
        else:
            body = await request.read()
        if request.headers.get("Content-Encoding") == "lz4":
            body = lz4.frame.decompress(body)
        insert = _INSERT.match(body)
        sql = (insert[1] if insert else body).decode()
        asked = Asked(sql, parameters, body[insert.end() :] if insert else None)
        self.asked.append(asked)
        if self.hangs is not None and self.hangs(asked):
            await asyncio.Event().wait()
        if self.before and (fault := self.before(asked, b"")):
            return fault
        try:
            data = await asyncio.to_thread(self._run, asked)
        except RuntimeError as error:
            return failure(str(error))
        if self.after and (fault := self.after(asked, data)):
            return fault
        return web.Response(body=data, headers={"X-ClickHouse-Format": "Native" if "Native" in sql else "TabSeparated"})

    def _run(self, asked: Asked) -> bytes:
        sql, parameters = asked.sql, asked.parameters
        if asked.rows is not None:
            file = self.engine / f"front-{id(asked)}.native"
            file.write_bytes(asked.rows)
            chosen = {name: parameters[name] for name in _SETTINGS_OF_INSERTS if name in parameters}
            settings = ", ".join(f"{name} = '{value}'" for name, value in chosen.items())
            statement = sql.removesuffix(" FORMAT Native")
            try:
                self._connection.query(f"{statement} FROM INFILE '{file}' SETTINGS {settings} FORMAT Native")
            finally:
                file.unlink()
            return b""
        values = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
        format_ = "Native" if re.search(r"FORMAT\s+Native\s*$", sql) else "TabSeparated"
        data: bytes = self._connection.query(sql, format_, params=values).bytes() or b""
        return data


def failure(message: str, status: int = 500) -> web.Response:
    """An exception as ClickHouse sends it."""
    code = re.search(r"Code: (\d+)", message)
    return web.Response(status=status, text=message, headers={"X-ClickHouse-Exception-Code": code[1]} if code else {})
