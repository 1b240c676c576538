"""A small client of the read API, for the command line. Blocking, standard library only."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypeAlias, cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from spanledger.errors import SpanledgerError

Json: TypeAlias = dict[str, Any]
FilterValue: TypeAlias = str | Sequence[str] | None


class ApiError(SpanledgerError):
    """The API refused a request or cannot be reached. `status` is None when there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Reads runs from a running spanledger. Every method raises `ApiError`.

    ::

        with ApiClient("http://127.0.0.1:3333") as api:
            newest = api.runs(limit=20, filters={"type": "llm"})["data"]
    """

    def __init__(self, endpoint: str = "http://127.0.0.1:3333", timeout: float = 30.0, key: str | None = None) -> None:
        """`endpoint` is a URL or `host:port`; `timeout` counts seconds without an answer; `key` is a private key of
        the project, where the API asks for one."""
        parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ApiError(f"expected an address such as http://127.0.0.1:3333, found {endpoint!r}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._base = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._shown = f"{parts.scheme}://{parts.netloc}"

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def runs(
        self, *, limit: int | None = None, cursor: str | None = None, filters: Mapping[str, FilterValue] | None = None
    ) -> Json:
        """A page: `data` (summaries, newest first) and `next_cursor`. Filters as in `GET /v1/runs`."""
        return self._get(
            "/v1/runs", {**(filters or {}), "limit": None if limit is None else str(limit), "cursor": cursor}
        )

    def first_runs(self, limit: int, filters: Mapping[str, FilterValue] | None = None) -> Json:
        """As `runs`, but where a search ends a page early it goes on until there are `limit` runs, or no more."""
        page = self.runs(limit=limit, filters=filters)
        while page["next_cursor"] is not None and len(page["data"]) < limit:
            more = self.runs(limit=limit - len(page["data"]), cursor=page["next_cursor"], filters=filters)
            page = more | {"data": [*page["data"], *more["data"]], "limit": limit}
        page.pop("searched_back_to", None)
        return page

    def run(self, run_id: str) -> Json:
        """One run with its contents. `ApiError.status` is 404 when there is none."""
        return self._get(f"/v1/runs/{quote(run_id, safe='')}")

    def related(self, run_id: str) -> list[Json]:
        """Every run of the same trace, in the order of their start."""
        return cast(list[Json], self._get(f"/v1/runs/{quote(run_id, safe='')}/related")["data"])

    def scores(self, run_id: str) -> list[Json]:
        """Scores of a run, oldest first."""
        return cast(list[Json], self._get(f"/v1/runs/{quote(run_id, safe='')}/scores")["data"])

    def usage(self, filters: Mapping[str, FilterValue] | None = None) -> Json:
        """Counts, tokens and cost over the runs that match."""
        return self._get("/v1/runs/usage", filters or {})

    def analytics(self, parameters: Mapping[str, FilterValue]) -> Json:
        """`totals`, `groups` and `series`. Parameters as in `GET /v1/analytics`."""
        return self._get("/v1/analytics", parameters)

    def _get(self, path: str, query: Mapping[str, FilterValue] | None = None) -> Json:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = self._base + path + (f"?{urlencode(given, doseq=True)}" if given else "")
        try:
            self._connection.request("GET", target, headers=self._headers)
            answer = self._connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ApiError(f"cannot reach the API at {self._shown}: {reason}") from error
        try:
            decoded = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise ApiError(f"{self._shown} does not answer as spanledger does (HTTP {status})", status) from error
        if status != 200:
            raise ApiError(str(decoded.get("message") or f"HTTP {status}"), status)
        return decoded
