"""`GET /v1/runs/export`: everything that matches, as it is read, in lines."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from aiohttp import web

from spanledger.api import shapes
from spanledger.api.answers import HEADERS, project_of
from spanledger.api.parameters import EXPORT_FORMAT, FILTERS, SHAPE, Reading
from spanledger.exporters.store import RunFilter, RunJson, RunStore

EXPORT: Final = (*FILTERS, EXPORT_FORMAT, SHAPE)
_PAGE: Final = 200
_AT_ONCE: Final = 8
_COLUMNS: Final = (
    "run_id",
    "parent_run_id",
    "trace_id",
    "type",
    "name",
    "status",
    "started_at",
    "ended_at",
    "duration_ns",
    "provider",
    "model",
    "user_id",
    "session_id",
    "tags",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "reasoning_tokens",
    "cost",
    "error",
    "input_preview",
    "output_preview",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Export:
    """Handler of the export."""

    def __init__(self, store: RunStore, shape: str) -> None:
        self._store = store
        self._shape = shape

    async def runs(self, request: web.Request) -> web.StreamResponse:
        """CSV of what lists show, or a JSON object a line with everything."""
        reading = Reading(request.query, EXPORT)
        filter_ = reading.filter(project_of(request))
        format_ = reading.one(EXPORT_FORMAT) or "jsonl"
        shape = reading.one(SHAPE) or self._shape
        reading.finish()
        lines = self._csv(filter_) if format_ == "csv" else self._json(filter_, lunary=shape == "lunary")
        first = await anext(lines, b"")  # a store that is away is told before the answer begins
        name = "runs.csv" if format_ == "csv" else "runs.jsonl"
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
        )
        response.content_type = "text/csv" if format_ == "csv" else "application/jsonl"
        response.charset = "utf-8"
        await response.prepare(request)
        await response.write(first)
        async for line in lines:
            await response.write(line)
        await response.write_eof()
        return response

    async def _pages(self, filter_: RunFilter) -> AsyncIterator[list[RunJson]]:
        after = None
        while True:
            page = await self._store.list_runs(filter_, _PAGE, after)
            yield page.runs
            after = page.next
            if after is None:
                return

    async def _csv(self, filter_: RunFilter) -> AsyncIterator[bytes]:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        async for runs in self._pages(filter_):
            for run in runs:
                writer.writerow([_cell(_fact(run, column)) for column in _COLUMNS])
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()

    async def _json(self, filter_: RunFilter, *, lunary: bool) -> AsyncIterator[bytes]:
        async for runs in self._pages(filter_):
            for at in range(0, len(runs), _AT_ONCE):
                ids = [run["run_id"] for run in runs[at : at + _AT_ONCE]]
                whole = await asyncio.gather(*(self._store.get_run(filter_.project_id, run_id) for run_id in ids))
                shown = (shapes.lunary(run) if lunary else run for run in whole if run is not None)
                yield b"".join(msgspec.json.encode(run) + b"\n" for run in shown)


def _fact(run: RunJson, column: str) -> Any:
    if column.endswith("_tokens"):
        return (run["usage"] or {}).get(column)
    if column == "cost":
        return (run["cost"] or {}).get("total")
    if column == "error":
        return (run["error"] or {}).get("message")
    return run.get(column)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    # A spreadsheet runs what begins so; the text comes from outside.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
