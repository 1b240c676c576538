"""Changes of stored runs: tags, visibility, deletion."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

import msgspec
from aiohttp import web

from spanledger.api.answers import HEADERS, answer, json_body, project_of
from spanledger.api.parameters import InvalidParameters, no_parameters
from spanledger.api.shapes import VISIBILITY
from spanledger.api.writers import Writers
from spanledger.errors import NotServed, StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.conditions import Compare, Op
from spanledger.exporters.store import Deletion, RunFilter, RunStore, StoreAdmin
from spanledger.model.records import Run

_MAX_TAGS: Final = 100
_LONGEST_TAG: Final = 200


class Tags(msgspec.Struct):
    """All tags of a run."""

    tags: list[str] | None = None


class Visibility(msgspec.Struct):
    """Whether people without a key may see a run."""

    visibility: bool


class Edits:
    """Handlers that change what is stored. A change is a new version of the run: a span that is delivered again
    cannot undo it. What more is known of the run later, while its trace is still remembered, does."""

    def __init__(self, store: RunStore, writers: Writers | None) -> None:
        self._store = store
        self._writers = writers
        self._exporter: Exporter | None = None
        self._admin: StoreAdmin | None = None
        self._one_at_a_time = asyncio.Lock()

    async def close(self) -> None:
        """Release the connections."""
        if self._exporter is not None:
            await self._exporter.close()
        if self._admin is not None:
            await self._admin.close()

    async def tags(self, request: web.Request) -> web.Response:
        """`PATCH /v1/runs/{id}/tags`."""
        given: Tags = await json_body(request, Tags)
        tags = list(dict.fromkeys(given.tags or []))
        if len(tags) > _MAX_TAGS or any(not 0 < len(tag) <= _LONGEST_TAG for tag in tags):
            expected = f"at most {_MAX_TAGS} texts of 1 to {_LONGEST_TAG} characters"
            raise InvalidParameters([{"parameter": "tags", "found": f"{len(tags)} tags", "expected": expected}])
        async with self._one_at_a_time:
            run = await self._find(request)
            await self._write(msgspec.structs.replace(run, tags=tags, version=run.version + 1))
        return answer({"tags": tags})

    async def visibility(self, request: web.Request) -> web.Response:
        """`PATCH /v1/runs/{id}/visibility`."""
        given: Visibility = await json_body(request, Visibility)
        async with self._one_at_a_time:
            run = await self._find(request)
            metadata = {name: value for name, value in run.metadata.items() if name != VISIBILITY}
            if given.visibility:
                metadata[VISIBILITY] = "public"
            await self._write(msgspec.structs.replace(run, metadata=metadata, version=run.version + 1))
        return answer({"visibility": given.visibility})

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE /v1/runs/{id}`."""
        no_parameters(request.query)
        return await self._delete(Deletion(project_of(request), run_id=request.match_info["id"]), "no run has this id")

    async def delete_user(self, request: web.Request) -> web.Response:
        """`DELETE /v1/users/{id}`."""
        no_parameters(request.query)
        user = request.match_info["id"]
        return await self._delete(Deletion(project_of(request), user_id=user), "no user has this id")

    async def _delete(self, what: Deletion, missing: str) -> web.Response:
        if self._writers is None:
            raise NotServed("this API only reads")
        if what.run_id is not None and await self._store.get_run(what.project_id, what.run_id) is None:
            raise web.HTTPNotFound(reason=missing)
        async with self._one_at_a_time:
            if self._admin is None:
                admin = self._writers.admin()
                await admin.start()
                self._admin = admin
            gone = await self._admin.delete(what)
        if not gone and what.run_id is None:
            raise web.HTTPNotFound(reason=missing)
        return web.Response(status=204, headers=HEADERS)

    async def _find(self, request: web.Request) -> Run:
        filter_ = RunFilter(project_of(request), where=Compare("run_id", Op.EQ, request.match_info["id"]))
        async for page in self._store.scan(filter_):
            for run in page:
                return run
        raise web.HTTPNotFound(reason="no run has this id")

    async def _write(self, run: Run) -> None:
        if self._writers is None:
            raise NotServed("this API only reads")
        if self._exporter is None:
            exporter = self._writers.exporter()
            await exporter.start()
            self._exporter = exporter
        result = await self._exporter.write([run], f"edit-{uuid.uuid4()}")
        if result.retry is not None:
            raise StoreUnavailable(result.retry)
