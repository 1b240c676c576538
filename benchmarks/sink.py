"""A ClickHouse that swallows inserts, the same for all that are measured: `python benchmarks/sink.py FOLDER`.

Handshakes, DDL and SELECTs are answered by the real engine, embedded. Inserts are read to their end, counted and
forgotten; of those in the Native format the rows are counted too, which stand at the beginning of a block. What is
printed first is the address. All this runs in a process of its own, whose CPU time nobody counts.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chdb
from aiohttp import web

_INSERT = re.compile(rb"\s*INSERT INTO\s+(\S+)", re.IGNORECASE)
_HEAD = 4096
"""Bytes in which the statement of an insert stands, and the beginning of its first block behind it."""


class Sink:
    def __init__(self, folder: Path) -> None:
        self.engine: Any = chdb.connect(str(folder))  # type: ignore[no-untyped-call]
        self.inserts = 0
        self.bytes = 0
        self.rows: dict[str, int] = {}
        self.last = 0.0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/seen", self.seen)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def seen(self, request: web.Request) -> web.Response:
        """What was inserted, and how many seconds ago the last of it was."""
        idle = time.monotonic() - self.last
        return web.json_response({"inserts": self.inserts, "bytes": self.bytes, "rows": self.rows, "idle": idle})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The statement stands in the address, in a form, or at the beginning of the body."""
        given = {name: str(value) for name, value in (*request.query.items(), *(await self.form(request)).items())}
        sql = given.get("query", "").encode()
        head, size = bytearray(), 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if len(head) < _HEAD or not _INSERT.match(sql or head):
                head += chunk
        body = bytes(head)
        if not sql:
            sql, _, body = body.partition(b"\n") if _INSERT.match(body) else (body, b"", b"")
        if insert := _INSERT.match(sql):
            self.inserts += 1
            self.bytes += size
            self.last = time.monotonic()
            if b"FORMAT Native" in sql:
                table = insert[1].decode().replace("`", "").replace('"', "")
                self.rows[table] = self.rows.get(table, 0) + rows_in(body)
            return web.Response(headers={"X-ClickHouse-Summary": "{}"})
        try:
            return await asyncio.to_thread(self.select, sql.decode(), given, request.headers)
        except RuntimeError as error:
            print(f"{sql.decode()[:500]}: {error}", file=sys.stderr, flush=True)
            return web.Response(status=500, text=str(error))

    async def form(self, request: web.Request) -> Mapping[str, Any]:
        return await request.post() if request.content_type == "multipart/form-data" else {}

    def select(self, sql: str, given: Mapping[str, str], headers: Mapping[str, str]) -> web.Response:
        parameters = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
        if "clickhouse-go" in headers.get("User-Agent", ""):
            return web.Response(body=self.for_the_go_driver(sql, parameters))
        named = re.search(r"FORMAT\s+(\w+)\s*;?\s*$", sql)
        format_ = named[1] if named else headers.get("X-ClickHouse-Format", given.get("default_format", "TabSeparated"))
        data = self.ask(sql, format_, parameters)
        return web.Response(body=data, headers={"X-ClickHouse-Format": format_, "X-ClickHouse-Summary": "{}"})

    def ask(self, sql: str, format_: str, parameters: dict[str, str]) -> bytes:
        data: bytes = self.engine.query(sql, format_, params=parameters).bytes() or b""
        return data

    def for_the_go_driver(self, sql: str, parameters: dict[str, str]) -> bytes:
        """A block of the Native format as the driver's protocol version has it, which the embedded engine does not
        write: something about the block before it, a byte about each column behind its type. Texts and numbers only."""
        text = self.ask(sql, "JSONCompact", parameters)
        if not text:
            return b""
        found = json.loads(text)
        columns, rows = found["meta"], found["data"]
        out = bytearray(b"\1\0\2\xff\xff\xff\xff\0") + _varint(len(columns)) + _varint(len(rows))
        for at, column in enumerate(columns):
            out += _text(column["name"]) + _text(column["type"]) + (b"\0" if rows else b"")
            bits = re.fullmatch(r"UInt(8|16|32|64)", column["type"])
            for row in rows:
                out += int(row[at]).to_bytes(int(bits[1]) // 8, "little") if bits else _text(str(row[at]))
        return bytes(out)


def rows_in(block: bytes) -> int:
    """Rows of a block of the Native format, with or without what stands before it in newer versions of the protocol."""
    at = 8 if block.startswith(b"\1\0\2") else 0
    _, at = _read_varint(block, at)
    return _read_varint(block, at)[0]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] > 0x7F:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _varint(len(encoded)) + encoded


async def main(folder: Path) -> None:
    runner = web.AppRunner(Sink(folder).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
