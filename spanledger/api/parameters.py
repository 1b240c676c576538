"""Query parameters of the API, checked once into typed values."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol, TypeVar

from spanledger.exporters.store import DEFAULT_PAGE, MAX_PAGE, Cursor, RunFilter
from spanledger.model.records import RUN_TYPES

STATUSES: Final = ("success", "error", "cancelled", "started")

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_TIME_EXPECTED: Final = "a time with its offset, such as 2026-03-01T10:00:00Z"
_T = TypeVar("_T")


class InvalidParameters(ValueError):
    """Parameters that cannot be used. `details` names each one with what was found and what was expected."""

    def __init__(self, details: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{item['parameter']}: expected {item['expected']}" for item in details))
        self.details = details


class Query(Protocol):
    """A multi-dict of query parameters."""

    def getall(self, key: str, /) -> list[str]: ...
    def keys(self) -> Iterable[str]: ...
    def __contains__(self, key: object, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class ListParameters:
    """What `GET /v1/runs` was asked."""

    filter: RunFilter
    limit: int
    after: Cursor | None


_LISTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "type": ("types", RUN_TYPES),
    "model": ("models", ()),
    "user": ("users", ()),
    "session": ("sessions", ()),
    "status": ("statuses", STATUSES),
    "name": ("names", ()),
    "tag": ("tags", ()),
}
"""Parameter → field of the filter, and the values that are known. Each may be given several times."""
FILTERS: Final = (*_LISTS, "trace", "from", "to")
PAGING: Final = ("limit", "cursor")


def list_parameters(query: Query, project_id: str) -> ListParameters:
    """Parameters of a list. Raises `InvalidParameters`."""
    reading = _Reading(query, (*FILTERS, *PAGING))
    filter_ = reading.filter(project_id)
    limit = reading.one("limit", _limit, f"an integer from 1 to {MAX_PAGE}")
    after = reading.one("cursor", Cursor.decode, "the next_cursor of an earlier answer")
    reading.finish()
    return ListParameters(filter_, DEFAULT_PAGE if limit is None else limit, after)


def filter_parameters(query: Query, project_id: str) -> RunFilter:
    """Filters alone. Raises `InvalidParameters`."""
    reading = _Reading(query, FILTERS)
    filter_ = reading.filter(project_id)
    reading.finish()
    return filter_


def no_parameters(query: Query) -> None:
    """Raises `InvalidParameters` when there are any."""
    _Reading(query, ()).finish()


def parse_time(text: str) -> int:
    """Nanoseconds since the Unix epoch of an RFC 3339 time. Raises `ValueError`."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    days = date(year, month, day)
    seconds = calendar.timegm((days.year, days.month, days.day, hour, minute, second))
    if found[8]:
        offset = int(found[9]) * 3600 + int(found[10]) * 60
        seconds += offset if found[8] == "-" else -offset
    nanoseconds = seconds * 1_000_000_000 + int((found[7] or "").ljust(9, "0"))
    return max(0, min(nanoseconds, 2**63 - 1))


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= MAX_PAGE:
        raise ValueError("out of range")
    return int(text)


class _Reading:
    """Collects every mistake of a query before it complains."""

    def __init__(self, query: Query, known: tuple[str, ...]) -> None:
        self.query = query
        self.details: list[dict[str, str]] = []
        for name in dict.fromkeys(query.keys()):
            if name not in known:
                self.wrong(name, name, f"one of {', '.join(known)}" if known else "no parameters")

    def wrong(self, parameter: str, found: str, expected: str) -> None:
        self.details.append({"parameter": parameter, "found": found[:200], "expected": expected})

    def many(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        values = tuple(self.query.getall(name)) if name in self.query else ()
        for value in values:
            if known and value not in known:
                self.wrong(name, value, f"one of {', '.join(known)}")
        return values

    def one(self, name: str, parse: Callable[[str], _T], expected: str) -> _T | None:
        if name not in self.query:
            return None
        values = self.query.getall(name)
        if len(values) > 1:
            self.wrong(name, ", ".join(values), "one value")
            return None
        try:
            return parse(values[0])
        except ValueError:
            self.wrong(name, values[0], expected)
            return None

    def filter(self, project_id: str) -> RunFilter:
        fields: dict[str, Any] = {field: self.many(name, known) for name, (field, known) in _LISTS.items()}
        started_from = self.one("from", parse_time, _TIME_EXPECTED)
        started_to = self.one("to", parse_time, _TIME_EXPECTED)
        if started_from is not None and started_to is not None and started_to <= started_from:
            self.wrong("to", self.query.getall("to")[0], "a time after from")
        return RunFilter(
            project_id,
            **fields,
            trace_id=self.one("trace", str, ""),
            started_from=started_from,
            started_to=started_to,
        )

    def finish(self) -> None:
        if self.details:
            raise InvalidParameters(self.details)
