"""The reading side of a store, as the API needs it, and what is done to a store as a whole: migrations, deletion,
retention. `spanledger.exporters.base` is the writing side.

Runs come as plain JSON values in the shape of docs/run-model.md. A summary is a run without its contents (input,
output, tools, params, agent, tool, prompt, user_props, attributes, warnings) but with `input_preview` and
`output_preview`.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from spanledger.exporters.conditions import Condition
from spanledger.exporters.keys import StoredKey
from spanledger.exporters.migrations import Migration
from spanledger.model.records import Run

RunJson: TypeAlias = dict[str, Any]

MAX_PAGE: Final = 500
DEFAULT_PAGE: Final = 50
SCAN_PAGE: Final = 2000
"""Runs of a scan that are given at once."""
MAX_TRACE: Final = 10_000
"""Runs of one trace that are given at once."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of a project. A run must pass every filter that is given; of several values it needs one."""

    project_id: str
    types: Sequence[str] = ()
    models: Sequence[str] = ()
    users: Sequence[str] = ()
    sessions: Sequence[str] = ()
    statuses: Sequence[str] = ()
    names: Sequence[str] = ()
    tags: Sequence[str] = ()
    trace_id: str | None = None
    started_from: int | None = None
    """Nanoseconds since the Unix epoch, inclusive."""
    started_to: int | None = None
    """Nanoseconds since the Unix epoch, exclusive."""
    billable: bool = False
    """Only runs that count in totals."""
    where: Condition | None = None
    """What else must hold."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the next one holds runs that started earlier, or at the same time with a lower id. Runs that
    arrive meanwhile move nothing."""

    started_at: int
    run_id: str

    def encode(self) -> str:
        """An opaque text for URLs."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> Cursor:
        """Raises `ValueError` when it is no cursor."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return msgspec.json.decode(raw, type=Cursor)
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError("not a cursor") from error


@dataclass(frozen=True, slots=True)
class Page:
    """Summaries, newest first, and where to go on, or None at the end. A page that was asked for `bounded` may hold
    fewer runs than it could, though it says where to go on: there the looking ended."""

    runs: list[RunJson]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the billable runs among those that match; None is unknown, as in `usage` and `cost`."""

    runs: int = 0
    """All that match, billable or not."""
    errors: int = 0
    """Of all that match."""
    billable_runs: int = 0
    unpriced_runs: int = 0
    """Billable runs whose cost is not known: the true cost is higher."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: Decimal | None = None
    """USD."""


class Sort(StrEnum):
    """What lists can be sorted by, beside the start that pages with a cursor go along."""

    STARTED = "started"
    DURATION = "duration"
    TOKENS = "tokens"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class ScoreSort:
    """By the number of a run's newest score of this name: false counts as 0, true as 1. Runs whose scores of the name
    are texts, were taken back or are not there come last."""

    name: str


class By(StrEnum):
    """What runs can be grouped by; those without the fact make no group. A run with several tags is in several."""

    MODEL = "model"
    REQUEST_MODEL = "request_model"
    PROVIDER = "provider"
    USER = "user"
    SESSION = "session"
    TYPE = "type"
    NAME = "name"
    STATUS = "status"
    ENVIRONMENT = "environment"
    RELEASE = "release"
    SERVICE = "service"
    TAG = "tag"


class GroupSort(StrEnum):
    """What groups can be sorted by."""

    LAST = "last"
    FIRST = "first"
    RUNS = "runs"
    ERRORS = "errors"
    TOKENS = "tokens"
    COST = "cost"
    KEY = "key"


class GroupCursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of groups ended that is sorted by their first or last start. A group that grows meanwhile moves to
    the beginning, never to a later page."""

    at: int
    key: str

    def encode(self) -> str:
        """An opaque text for URLs."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> GroupCursor:
        """Raises `ValueError` when it is no cursor."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return msgspec.json.decode(raw, type=GroupCursor)
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError("not a cursor") from error


QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How runs are grouped: by a fact, by time, or both; by neither, all are one group."""

    by: By | None = None
    bucket_ns: int | None = None
    """Width of the intervals of time, which begin at multiples of it since the Unix epoch."""
    sort: GroupSort = GroupSort.KEY
    descending: bool = False
    limit: int = MAX_PAGE
    offset: int = 0
    after: GroupCursor | None = None
    """Only when sorted by `LAST` or `FIRST`, descending."""
    contains: str | None = None
    """Only groups whose key holds this text; the case of ASCII letters does not count."""
    latency: bool = False
    """Whether quantiles are wanted."""
    people: bool = True
    """Whether different users and sessions are wanted: they cost most. Without, they are 0."""
    with_type: bool = False
    """Whether runs of different types are different groups: keys then are the type, a space, and the key."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one key and one interval."""

    key: str | None
    bucket: int | None
    """Begin of the interval."""
    totals: Totals
    first_at: int
    """Start of the first run."""
    last_at: int
    users: int
    """Different users."""
    sessions: int
    """Different sessions."""
    duration_ns: tuple[float | None, ...] = ()
    """`QUANTILES` over the runs whose duration is known, interpolated."""
    ttft_ns: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Sums of matching runs, with quantiles and without people."""

    whole: Group | None
    """Over everything; None where nothing matches."""
    groups: list[Group]
    """By a fact, those with the most cost first."""
    series: list[Group]
    """By interval: of these groups, or of everything where nothing is grouped by. In the order of time, then key."""


class RunStore(Protocol):
    """Reads the ledger. Every answer shows each run once, in its highest version, and only runs of the given project.

    All raise `spanledger.errors.StoreUnavailable` when the store is away, overloaded, too slow or not migrated yet.
    """

    async def start(self) -> None:
        """Connect. Raises `StoreUnavailable`, or another `StoreError` when it can never work."""

    async def close(self) -> None:
        """Release everything."""

    async def list_runs(
        self, filter_: RunFilter, limit: int = DEFAULT_PAGE, after: Cursor | None = None, *, bounded: bool = False
    ) -> Page:
        """Summaries of matching runs, newest start first, at most `limit` (1 to `MAX_PAGE`). `bounded`: the page ends
        early rather than that a store looks at all its rows, where no index answers the filter."""

    async def sorted_runs(
        self,
        filter_: RunFilter,
        sort: Sort | ScoreSort,
        *,
        descending: bool = True,
        limit: int = DEFAULT_PAGE,
        offset: int = 0,
    ) -> list[RunJson]:
        """Summaries of matching runs in any order, those without the fact last; of equals the newest first. Whoever
        goes on with an offset may meet a run twice when others arrive: `list_runs` does not have that."""

    async def groups(self, filter_: RunFilter, grouping: Grouping) -> list[Group]:
        """Sums over matching runs by a fact and by time."""

    async def breakdown(self, filter_: RunFilter, by: By | None, bucket_ns: int | None, top: int) -> Breakdown:
        """Everything that a chart shows: sums over all, over the `top` values of a fact, and over time, at intervals of
        `bucket_ns` nanoseconds. No fact, no groups; no interval, no series."""

    async def get_run(self, project_id: str, run_id: str) -> RunJson | None:
        """The whole run: what `to_dict` gave when it was written. Where its contents have passed their retention the
        fields are null or empty, and `payload_expired` is true."""

    async def trace(self, project_id: str, trace_id: str) -> list[RunJson]:
        """Summaries of the runs of a trace in the order of their start, at most `MAX_TRACE`."""

    async def scores(self, project_id: str, run_id: str) -> list[dict[str, Any]]:
        """Scores of a run, oldest first."""

    async def scores_of(self, project_id: str, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Scores of several runs, at most `MAX_PAGE`, oldest first."""

    async def totals(self, filter_: RunFilter) -> Totals:
        """Counts and sums over matching runs."""

    async def projects(self, started_from: int, started_to: int) -> list[str]:
        """Ids of the projects with runs that started in a time, nanoseconds since the Unix epoch."""

    def scan(self, filter_: RunFilter) -> AsyncIterator[list[Run]]:
        """All matching runs, oldest week first, as records without contents (`Run.without_contents`), in pages of at
        most `SCAN_PAGE`, of which some may be empty. An exporter of this store may write a run again, changed and with
        a higher version, while the scan goes on; it is not met a second time."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What is to be deleted: one run, all runs of a user, or a whole project."""

    project_id: str
    run_id: str | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        if self.run_id is not None and self.user_id is not None:
            raise ValueError("a deletion is of a run, of a user or of a project")


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A migration that a store has not seen, with its statements as they will run."""

    migration: Migration
    statements: tuple[str, ...]


class StoreAdmin(Protocol):
    """A store as a whole. Has connections of its own, migrates nothing unless it is told to.

    All raise `spanledger.errors.StoreUnavailable` when the store is away, and `SchemaError` when its schema does not
    fit this program.
    """

    where: str
    """The store in an error or for a person: address and database, without user and password."""

    async def start(self) -> None:
        """Connect. Raises `StoreUnavailable`, or another `StoreError` when it can never work."""

    async def close(self) -> None:
        """Release everything."""

    async def pending(self) -> list[PendingMigration]:
        """Migrations that have not run yet, in order. Changes nothing."""

    async def migrate(self) -> list[Migration]:
        """Run what is pending, whatever `auto_migrate` says, and return it. Two processes that call it at the same
        time run each migration once."""

    async def keys(self) -> list[StoredKey]:
        """Keys of projects, revoked ones included."""

    async def save_key(self, key: StoredKey) -> None:
        """Store a key, or a later state of it. Makes the table where there is none."""

    async def delete(self, what: Deletion) -> int:
        """Delete for good: runs in every version, payloads, previews, scores, and of a user the threads, of a project
        everything. Returns how many runs went. A run that was deleted alone or with its user stays deleted: what comes
        again under its id, from the log or its sender, does not bring it back while its retention lasts. It is noted
        first (`Exporter.deleted`), for what was received before and is on its way."""

    async def expire(self, now_ns: int) -> int:
        """Delete what is older than the retention that the settings give its project (`spanledger.exporters.
        retention`). Returns how many runs or payloads went. What holds for all projects is the store's own business
        (TTLs, partitions). Runs whose contents went keep their figures; their previews go."""
