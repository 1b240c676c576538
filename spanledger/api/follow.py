"""Runs as they arrive, for whoever watches: polls lists, tells every run once, and once more when it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from spanledger.api.parameters import parse_time
from spanledger.model.records import rfc3339

Json = dict[str, Any]

_SECOND: Final = 1_000_000_000
_ROUND: Final = 10 * _SECOND
"""Time between two looks at all that may still change."""
_SHARE: Final = 20
"""A look at everything may take one part in so many of the time."""
_REMEMBERED: Final = 20_000
_FIRST_PAGE: Final = 50
_PAGE: Final = 500


class Lists(Protocol):
    """`ApiClient.runs`."""

    def __call__(self, *, limit: int, cursor: str | None, filters: Mapping[str, Any]) -> Json: ...


class Follow:
    """Remembers which runs were told.

    Runs arrive when they end and are listed by their start, so a new one may stand below many that are known. Each
    `poll` therefore reads from the newest down to a page that holds nothing new; and now and then everything that
    started within `late_ns`, or the newest 20,000 where that is more.
    """

    def __init__(
        self, lists: Lists, filters: Mapping[str, Any], late_ns: int, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """`clock`: nanoseconds since the Unix epoch."""
        self._lists = lists
        self._filters = filters
        self._late_ns = late_ns
        self._clock = clock
        self._told: dict[str, tuple[int, bool]] = {}
        self._oldest = 0
        self._next_round = 0

    def begin(self, lines: int) -> list[Json]:
        """The newest runs that are there already, at most `lines` and 500, oldest first. Raises what `lists` raises."""
        newest = self._everything()[::-1][:lines]
        if len(newest) < lines:  # older ones than those that may still change
            newest = self._first(min(lines, _PAGE))
        return newest[::-1]

    def _first(self, lines: int) -> list[Json]:
        """So many runs or all there are; of a search one page may hold fewer."""
        found: list[Json] = []
        cursor = None
        while True:
            page = self._lists(limit=lines - len(found), cursor=cursor, filters=self._filters)
            found += page["data"]
            cursor = page["next_cursor"]
            if cursor is None or len(found) >= lines:
                return found

    def poll(self) -> list[Json]:
        """Runs that came or ended since the last call, in the order of their start. Raises what `lists` raises; what
        was not told is told by the next call."""
        return self._everything() if self._clock() >= self._next_round else self._read(whole=False)

    def _everything(self) -> list[Json]:
        began = self._clock()
        found = self._read(whole=True)
        ended = self._clock()
        self._next_round = ended + max(_ROUND, (ended - began) * _SHARE)
        return found

    def _read(self, *, whole: bool) -> list[Json]:
        oldest = max(self._clock() - self._late_ns, self._oldest)
        filters = {**self._filters, "from": _later(self._filters.get("from"), oldest)}
        new: dict[str, Json] = {}
        cursor, limit, read = None, _FIRST_PAGE, 0
        while True:
            page = self._lists(limit=limit, cursor=cursor, filters=filters)
            news = [run for run in page["data"] if self._is_news(run)]
            new |= {run["run_id"]: run for run in news}
            read += len(page["data"])
            cursor, limit = page["next_cursor"], _PAGE
            if cursor is None or not (news or whole):
                break
            if read >= _REMEMBERED and page["data"]:
                # What is older will never be looked at again.
                self._oldest = parse_time(page["data"][-1]["started_at"])
                break
        self._remember(new.values(), oldest)
        return list(new.values())[::-1]

    def _is_news(self, run: Json) -> bool:
        told = self._told.get(run["run_id"])
        return told is None or (not told[1] and run["status"] != "started")

    def _remember(self, runs: Any, oldest: int) -> None:
        for run in runs:
            self._told[run["run_id"]] = (parse_time(run["started_at"]), run["status"] != "started")
        if len(self._told) > 2 * _REMEMBERED:
            self._told = {id_: known for id_, known in self._told.items() if known[0] >= oldest}


def _later(given: Any, oldest: int) -> str:
    return rfc3339(max(oldest, parse_time(given) if given else 0))
