"""Query parameters of the API: each declared once, for checking and for the OpenAPI document.

Names that Lunary's clients use (`models`, `startTime`, `duration=gt.5`) mean what they mean there and stand beside
ours.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote

from spanledger.exporters.conditions import (
    TOTAL_TOKENS,
    All,
    Compare,
    Condition,
    Labelled,
    Not,
    Op,
    Scored,
    Some,
    Tagged,
)
from spanledger.exporters.conditions import search as searched
from spanledger.exporters.store import DEFAULT_PAGE, MAX_PAGE, By, Cursor, GroupCursor, GroupSort, RunFilter, Sort
from spanledger.model.records import RUN_TYPES

STATUSES: Final = ("success", "error", "cancelled", "started")
MAX_OFFSET: Final = 100_000
"""Runs that paging by number skips at most; a cursor has no end."""

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_TIME_EXPECTED: Final = "a time with its offset, such as 2026-03-01T10:00:00Z"
_NUMBER: Final = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_LONGEST: Final = 1000
"""Characters of a text to look for."""
_MAX_VALUES: Final = 100
"""Values of one parameter."""
_TRACE_TYPES: Final = ("agent", "chain")
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
class Parameter:
    """A query parameter. `parse` raises `ValueError` for what is not `expected`."""

    name: str
    doc: str
    parse: Callable[[str], Any] = str
    expected: str = ""
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    many: bool = False
    """May be given several times."""
    commas: bool = False
    """Several values may stand in one, with commas between, as Lunary's clients write them."""


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


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high:
            raise ValueError("out of range")
        return int(text)

    return parse


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return Decimal(text)


def _one_of(*known: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in known:
            raise ValueError("unknown")
        return text

    return parse


def _text(text: str) -> str:
    if not text or len(text) > _LONGEST:
        raise ValueError("too long or empty")
    return text


def _pair(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon:  # as Lunary's dashboard writes it
        key, colon, value = text.partition(".")
    if not key or not colon:
        raise ValueError("no pair")
    return key, value


_OPERATORS: Final = {
    "gt": Op.GT, "gte": Op.GE, "lt": Op.LT, "lte": Op.LE, "eq": Op.EQ, "neq": Op.NE, "after": Op.GE, "before": Op.LT,
}  # fmt: skip


def _operator_and_number(text: str) -> tuple[Op, Decimal]:
    word, _, rest = text.partition(".")
    if word not in _OPERATORS:
        raise ValueError("no operator")
    return _OPERATORS[word], _number(rest)


def _tokens(text: str) -> tuple[str, Op, Decimal]:
    column, _, rest = text.partition(".")
    known = {"total": TOTAL_TOKENS, "prompt": "input_tokens", "completion": "output_tokens"}
    if column not in known:
        raise ValueError("no counter")
    return known[column], *_operator_and_number(rest)


def _operator_and_time(text: str) -> tuple[Op, int]:
    word, _, rest = text.partition(".")
    if word not in _OPERATORS:
        raise ValueError("no operator")
    return _OPERATORS[word], parse_time(rest)


def _boolean(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _choice(name: str, doc: str, known: Sequence[str], *, many: bool = False, commas: bool = False) -> Parameter:
    values = list(known)
    return Parameter(
        name, doc, _one_of(*values), f"one of {', '.join(values)}", {"type": "string", "enum": values}, many, commas
    )


def _time(name: str, doc: str) -> Parameter:
    return Parameter(name, doc, parse_time, _TIME_EXPECTED, {"type": "string", "format": "date-time"})


def _amount(name: str, doc: str) -> Parameter:
    return Parameter(name, doc, _number, "a number that is not negative", {"type": "number", "minimum": 0})


def _texts(name: str, doc: str, *, commas: bool = False) -> Parameter:
    return Parameter(name, doc, many=True, commas=commas)


def _compared(name: str, doc: str, parse: Callable[[str], Any], expected: str) -> Parameter:
    return Parameter(name, doc, parse, expected, {"type": "string"}, many=True)


_RUN_FILTERS: Final = (
    Parameter(
        "type",
        "Type of run; `trace`: agents and chains without a parent.",
        _one_of(*RUN_TYPES, "trace"),
        f"one of {', '.join(RUN_TYPES)}",
        {"type": "string", "enum": [*RUN_TYPES, "trace"]},
        many=True,
    ),
    _texts("model", "The model that answered."),
    _texts("user", "User id."),
    _texts("session", "Session id."),
    _choice("status", "How it ended.", STATUSES, many=True),
    _texts("name", "Name of the run."),
    _texts("tag", "Has one of these tags."),
    Parameter("trace", "Trace id."),
    _time("from", "Started at this time or later."),
    _time("to", "Started before this time."),
    _texts("provider", "Provider of the model."),
    _texts("environment", "Deployment environment."),
    _texts("release", "Release of the application."),
    _texts("parent", "Run id of the parent."),
    Parameter("root", "Runs without a parent, or only those with one.", _boolean, "true or false", {"type": "boolean"}),
    Parameter(
        "search",
        "Text in name, model, user, session, error, or the previews of input and output; a run id or a trace id.",
        _text,
        f"a text of at most {_LONGEST} characters",
        {"type": "string", "minLength": 1, "maxLength": _LONGEST},
    ),
    _compared("metadata", "`key:value`; all that are given must hold.", _pair, "key:value"),
    _amount("min_duration", "Seconds, at least."),
    _amount("max_duration", "Seconds, at most."),
    _amount("min_cost", "USD, at least."),
    _amount("max_cost", "USD, at most."),
    _amount("min_tokens", "Input and output tokens together, at least."),
    _amount("max_tokens", "Input and output tokens together, at most."),
    _choice("feedback", "Thumb of a user; `any`: one or the other.", ("up", "down", "any"), many=True),
)
_OF_LUNARY: Final = (
    _texts("models", "As `model`, several with commas.", commas=True),
    _texts("users", "As `user`, several with commas.", commas=True),
    _texts("tags", "As `tag`, several with commas.", commas=True),
    _time("startTime", "As `from`."),
    _time("endTime", "As `to`."),
    _texts("parentRunId", "As `parent`."),
    _amount("minDuration", "As `min_duration`."),
    _amount("maxDuration", "As `max_duration`."),
    _compared("duration", "Operator and seconds: `gt.5`, `lte.0.5`.", _operator_and_number, "an operator such as gt.5"),
    _compared("cost", "Operator and USD: `gt.0.01`.", _operator_and_number, "an operator such as gt.0.01"),
    _compared(
        "tokens",
        "Counter (total, prompt, completion), operator, number: `completion.gt.500`.",
        _tokens,
        "a counter and an operator such as completion.gt.500",
    ),
    _texts("templates", "Runs whose prompt has one of these names or versions, several with commas.", commas=True),
    _texts("tools", "Runs of type tool with one of these names, several with commas.", commas=True),
    _texts("retrievers", "Runs of type retriever with one of these names, several with commas.", commas=True),
    _texts("custom-events", "Runs of type custom with one of these names, several with commas.", commas=True),
    Parameter(
        "OR",
        "Given without a value: a run needs to pass only one of the filters. Bounds of the start hold all the same.",
        _one_of(""),
        "no value",
        {"type": "string", "enum": [""]},
    ),
    Parameter(
        "AND", "Given without a value: as without it.", _one_of(""), "no value", {"type": "string", "enum": [""]}
    ),
    _compared(
        "date",
        "Operator and time: `after.2026-03-01T10:00:00Z`.",
        _operator_and_time,
        "an operator and a time such as after.2026-03-01T10:00:00Z",
    ),
)
FILTERS: Final = (*_RUN_FILTERS, *_OF_LUNARY)
"""What chooses runs. A run must pass every filter that is given; of several values of one it needs one."""

LIMIT: Final = Parameter(
    "limit",
    f"How many at most; {DEFAULT_PAGE} when left out.",
    _whole(1, MAX_PAGE),
    f"an integer from 1 to {MAX_PAGE}",
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
)
CURSOR: Final = Parameter(
    "cursor", "Where the page before ended: its `next_cursor`.", Cursor.decode, "the next_cursor of an earlier answer"
)
GROUP_CURSOR: Final = Parameter(
    "cursor",
    "Where the page before ended: its `next_cursor`.",
    GroupCursor.decode,
    "the next_cursor of an earlier answer",
)
PAGE: Final = Parameter(
    "page",
    f"Number of the page, from 0, up to {MAX_OFFSET} entries; runs that arrive meanwhile move later pages, a cursor "
    "they do not.",
    _whole(0, MAX_OFFSET),
    f"an integer from 0 to {MAX_OFFSET}",
    {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET},
)
_LUNARY_SORTS: Final = {
    "createdAt": Sort.STARTED,
    "duration": Sort.DURATION,
    "tokens": Sort.TOKENS,
    "cost": Sort.COST,
}
SORT: Final = _choice("sort", "What to sort by; anything but `started` pages by number.", list(Sort))
SORT_FIELD: Final = _choice("sortField", "As `sort`.", list(_LUNARY_SORTS))
ORDER: Final = _choice("order", "Direction; `desc` when left out.", ("asc", "desc"))
SORT_DIRECTION: Final = _choice("sortDirection", "As `order`.", ("asc", "desc"))
TOTAL: Final = Parameter(
    "total", "Count all that match, too: `total`.", _boolean, "true or false", {"type": "boolean", "default": False}
)
SHAPE: Final = _choice(
    "shape",
    "`ledger`: the run with its details. `lunary`: exactly what Lunary's API answers, with the cost as a number and "
    "messages as role and content.",
    ("ledger", "lunary"),
)
LIST: Final = (*FILTERS, LIMIT, CURSOR, PAGE, SORT, ORDER, SORT_FIELD, SORT_DIRECTION, TOTAL, SHAPE)

BY: Final = _choice("by", "One line for each value of this fact.", list(By))
INTERVAL: Final = _choice("interval", "One line for each interval of time.", ("minute", "hour", "day", "week"))
TOP: Final = Parameter(
    "top",
    "Values of `by` at most, those with the most cost (then runs); 20 when left out.",
    _whole(1, 100),
    "an integer from 1 to 100",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
)
GROUP_SEARCH: Final = Parameter(
    "search",
    "Text in the id.",
    _text,
    f"a text of at most {_LONGEST} characters",
    {"type": "string", "minLength": 1, "maxLength": _LONGEST},
)
GROUP_SORT: Final = _choice("sort", "What to sort by; `last`: the newest run.", list(GroupSort))
EXPORT_FORMAT: Final = _choice(
    "exportFormat", "`csv`: what lists show; `jsonl` (also `ojsonl`): everything.", ("csv", "jsonl", "ojsonl")
)
DAYS: Final = Parameter(
    "days",
    "Days back from now.",
    _whole(1, 3650),
    "an integer from 1 to 3650",
    {"type": "integer", "minimum": 1, "maximum": 3650},
)
DAILY: Final = Parameter("daily", "One line for each day.", _boolean, "true or false", {"type": "boolean"})
USER_ID: Final = Parameter("userId", "User id.")


@dataclass(frozen=True, slots=True)
class ListParameters:
    """What `GET /v1/runs` was asked."""

    filter: RunFilter
    limit: int
    after: Cursor | None
    page: int | None = None
    sort: Sort = Sort.STARTED
    descending: bool = True
    total: bool = False
    shape: str | None = None


class Reading:
    """The values of a query. Collects every mistake before it complains."""

    def __init__(self, query: Query, known: Sequence[Parameter], hidden: Sequence[str] = ()) -> None:
        """`hidden`: names that another reading takes."""
        self.query = query
        self.details: list[dict[str, str]] = []
        names = [parameter.name for parameter in known]
        for name in dict.fromkeys(query.keys()):
            if name not in names and name not in hidden:
                self.wrong(name, name, f"one of {', '.join(names)}" if names else "no parameters")

    def wrong(self, parameter: str, found: str, expected: str) -> None:
        """Remember a mistake."""
        self.details.append({"parameter": parameter, "found": found[:200], "expected": expected})

    def many(self, parameter: Parameter) -> list[Any]:
        """Every value of a parameter."""
        given = self.query.getall(parameter.name) if parameter.name in self.query else []
        if parameter.commas:  # Lunary's dashboard encodes each value once more
            given = [unquote(part) for value in given for part in value.split(",") if part]
        if len(given) > _MAX_VALUES:
            self.wrong(parameter.name, f"{len(given)} values", f"at most {_MAX_VALUES} values")
            return []
        return [value for text in given if (value := self._parsed(parameter, text)) is not None]

    def one(self, parameter: Parameter) -> Any:
        """The value of a parameter that is given at most once; None without."""
        if parameter.name not in self.query:
            return None
        values = self.query.getall(parameter.name)
        if len(values) > 1:
            self.wrong(parameter.name, ", ".join(values), "one value")
            return None
        return self._parsed(parameter, values[0])

    def _parsed(self, parameter: Parameter, text: str) -> Any:
        try:
            return parameter.parse(text)
        except (ValueError, InvalidOperation):
            self.wrong(parameter.name, text, parameter.expected)
            return None

    def filter(self, project_id: str, without: str = "") -> RunFilter:
        """The filter that the parameters in `FILTERS` make; `without`: the one that means something else here."""
        given: dict[str, list[Any]] = {
            parameter.name: self.many(parameter)
            if parameter.many
            else [value for value in [self.one(parameter)] if value is not None]
            for parameter in FILTERS
            if parameter.name != without
        } | ({without: []} if without else {})
        started_from = max((*given["from"], *given["startTime"]), default=None)
        started_to = min((*given["to"], *given["endTime"]), default=None)
        if started_from is not None and started_to is not None and started_to <= started_from:
            name = "to" if "to" in self.query else "endTime"
            self.wrong(name, self.query.getall(name)[0] if name in self.query else "", "a time after from")
        types = [type_ for type_ in given["type"] if type_ != "trace"]
        conditions = list(_conditions(given))
        if len(types) < len(given["type"]):
            traces = All((Compare("type", Op.EQ, _TRACE_TYPES), Not(Compare("parent_run_id", Op.EXISTS))))
            conditions.append(Some((traces, Compare("type", Op.EQ, tuple(types)))) if types else traces)
            types = []
        if given["OR"]:
            return RunFilter(
                project_id,
                started_from=started_from,
                started_to=started_to,
                where=Some((*conditions, *_facts(given, types))) if conditions or any(_facts(given, types)) else None,
            )
        return RunFilter(
            project_id,
            types=tuple(types),
            models=(*given["model"], *given["models"]),
            users=(*given["user"], *given["users"]),
            sessions=tuple(given["session"]),
            statuses=tuple(given["status"]),
            names=tuple(given["name"]),
            tags=(*given["tag"], *given["tags"]),
            trace_id=given["trace"][0] if given["trace"] else None,
            started_from=started_from,
            started_to=started_to,
            where=All(tuple(conditions)) if conditions else None,
        )

    def finish(self) -> None:
        """Raises `InvalidParameters` when there was a mistake."""
        if self.details:
            raise InvalidParameters(self.details)


def _facts(given: dict[str, list[Any]], types: Sequence[str]) -> list[Condition]:
    """Filters of `RunFilter`'s own as conditions."""
    values = {
        "type": types,
        "model": (*given["model"], *given["models"]),
        "user_id": (*given["user"], *given["users"]),
        "session_id": given["session"],
        "status": given["status"],
        "name": given["name"],
        "trace_id": given["trace"],
    }
    found: list[Condition] = [Compare(name, Op.EQ, tuple(wanted)) for name, wanted in values.items() if wanted]
    return [*found, *(Tagged(tag) for tag in (*given["tag"], *given["tags"]))]


def _conditions(given: dict[str, list[Any]]) -> Iterable[Condition]:
    for name, type_ in (("tools", "tool"), ("retrievers", "retriever"), ("custom-events", "custom")):
        if given[name]:
            yield All((Compare("type", Op.EQ, (type_,)), Compare("name", Op.EQ, tuple(given[name]))))
    if templates := tuple(given["templates"]):
        yield Some((Compare("prompt_version", Op.EQ, templates), Compare("prompt_name", Op.EQ, templates)))
    for name in ("provider", "environment", "release"):
        if given[name]:
            yield Compare(name, Op.EQ, tuple(given[name]))
    if parents := (*given["parent"], *given["parentRunId"]):
        yield Compare("parent_run_id", Op.EQ, parents)
    for root in given["root"]:
        has_parent = Compare("parent_run_id", Op.EXISTS)
        yield Not(has_parent) if root else has_parent
    for text in given["search"]:
        yield searched(text)
    for key, value in given["metadata"]:
        yield Labelled(key, Op.EQ, value)
    for bound, op in (("min", Op.GE), ("max", Op.LE)):
        for seconds in (*given[f"{bound}_duration"], *given[f"{bound}Duration"]):
            yield Compare("duration_ns", op, int(seconds * 1_000_000_000))
        for amount in given[f"{bound}_cost"]:
            yield Compare("cost", op, amount)
        for count in given[f"{bound}_tokens"]:
            yield Compare(TOTAL_TOKENS, op, int(count))
    for op, seconds in given["duration"]:
        yield Compare("duration_ns", op, int(seconds * 1_000_000_000))
    for op, amount in given["cost"]:
        yield Compare("cost", op, amount)
    for column, op, count in given["tokens"]:
        yield Compare(column, op, int(count))
    for op, at in given["date"]:
        yield Compare("started_at", op, at)
    if thumbs := given["feedback"]:
        wanted = ("up", "down") if "any" in thumbs else tuple(thumbs)
        yield Some(tuple(Scored("thumb", Op.EQ, thumb) for thumb in wanted))


def list_parameters(query: Query, project_id: str) -> ListParameters:
    """Parameters of a list. Raises `InvalidParameters`."""
    reading = Reading(query, LIST)
    filter_ = reading.filter(project_id)
    limit = reading.one(LIMIT)
    after, page = reading.one(CURSOR), reading.one(PAGE)
    by_lunary = reading.one(SORT_FIELD)
    sort = reading.one(SORT) or (_LUNARY_SORTS[by_lunary] if by_lunary else Sort.STARTED)
    order = reading.one(ORDER) or reading.one(SORT_DIRECTION) or "desc"
    total, shape = bool(reading.one(TOTAL)), reading.one(SHAPE)
    limit = DEFAULT_PAGE if limit is None else limit
    if after is not None and (page is not None or sort != Sort.STARTED or order != "desc"):
        reading.wrong("cursor", "a cursor", "no page, sort or order beside a cursor")
    if page is not None and page * limit > MAX_OFFSET:
        reading.wrong("page", str(page), f"a page that begins before the entry {MAX_OFFSET}")
    reading.finish()
    return ListParameters(filter_, limit, after, page, Sort(sort), order == "desc", total, shape)


def filter_parameters(query: Query, project_id: str) -> RunFilter:
    """Filters alone. Raises `InvalidParameters`."""
    reading = Reading(query, FILTERS)
    filter_ = reading.filter(project_id)
    reading.finish()
    return filter_


def no_parameters(query: Query) -> None:
    """Raises `InvalidParameters` when there are any."""
    Reading(query, ()).finish()
