"""What a listener took and refused, in plain integers; telemetry turns them into metrics."""

from __future__ import annotations

from typing import Final

from spanledger.errors import (
    LogError,
    NotServed,
    Overloaded,
    PayloadError,
    PayloadTooLarge,
    PermissionDenied,
    SpanledgerError,
    StoreUnavailable,
    Throttled,
    Unauthenticated,
)
from spanledger.model.received import Signal

_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (PayloadTooLarge, "too_large"),
    (PayloadError, "invalid"),
    (Unauthenticated, "unauthenticated"),
    (PermissionDenied, "permission_denied"),
    (NotServed, "not_served"),
    (Overloaded, "overloaded"),
    (Throttled, "throttled"),
    (LogError, "log"),
    (StoreUnavailable, "store"),
)
"""The first that fits."""
REASONS: Final = (*(reason for _, reason in _REASONS), "internal")
_PROJECTS_AT_MOST: Final = 200
OTHER_PROJECTS: Final = "(other)"


class Traffic:
    """Counts since the start of the listener."""

    __slots__ = (
        "_counted",
        "accepted",
        "accepted_of",
        "bytes",
        "failed",
        "refusals",
        "refused",
        "rejected",
        "requests",
    )

    def __init__(self) -> None:
        self.requests = 0
        """Decoded, and taken as a whole or in part."""
        self.bytes = 0
        """Of the bodies of these requests, decompressed."""
        self.accepted = dict.fromkeys(Signal, 0)
        """Items that are safe in the log, or that processors took away."""
        self.refused = dict.fromkeys(Signal, 0)
        """Items of requests that found no room behind the receiver; one for a request that was not even read."""
        self.failed = dict.fromkeys(Signal, 0)
        """Items of requests that broke something."""
        self.rejected = dict.fromkeys(Signal, 0)
        """Bad items among good ones, told to the sender through partial success."""
        self.refusals = dict.fromkeys(REASONS, 0)
        """Requests answered with an error, by its reason."""
        self._counted: Exception | None = None
        """Whose items are counted already."""
        self.accepted_of: dict[str, int] = {}
        """Items by project; beyond 200 projects under one name."""

    def accept(self, signal: Signal, project_id: str, items: int, rejected: int, size: int) -> None:
        """A request was taken."""
        self.requests += 1
        self.bytes += size
        self.accepted[signal] += items
        self.rejected[signal] += rejected
        if project_id not in self.accepted_of and len(self.accepted_of) >= _PROJECTS_AT_MOST:
            project_id = OTHER_PROJECTS
        self.accepted_of[project_id] = self.accepted_of.get(project_id, 0) + items

    def turn_away(self, signal: Signal, items: int, problem: Exception) -> None:
        """Decoded items could not be handed on."""
        (self.refused if isinstance(problem, SpanledgerError) else self.failed)[signal] += items
        self._counted = problem

    def refuse(self, problem: Exception, signal: Signal) -> None:
        """A request is answered with an error."""
        if problem is not self._counted and isinstance(problem, Overloaded | LogError):
            self.refused[signal] += 1  # it holds one at least, and alerts look here
        self._counted = None
        self.refusals[next((reason for kind, reason in _REASONS if isinstance(problem, kind)), "internal")] += 1
