"""How long a project's runs and payloads are kept, where that is shorter than for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from pydantic import Field

from spanledger.settings import Settings

_DAY_NS: Final = 86_400 * 1_000_000_000


class ProjectRetention(Settings):
    """Retention of one project. It can only shorten what holds for all."""

    runs_days: int | None = Field(default=None, ge=1, le=36500)
    """Days after their start that its runs, scores, threads and metrics are kept."""
    payloads_days: int | None = Field(default=None, ge=1, le=36500)
    """Days after their start that the contents of its runs are kept, previews included."""


Retention: TypeAlias = Mapping[str, ProjectRetention]
"""By project id."""


def limits(retention: Retention, now_ns: int) -> Iterator[tuple[str, int | None, int | None]]:
    """(project id, start before which runs go, start before which contents go), in nanoseconds since the Unix epoch;
    None where nothing is said."""
    for project_id, kept in sorted(retention.items()):
        runs, payloads = kept.runs_days, kept.payloads_days
        yield (
            project_id,
            None if runs is None else now_ns - runs * _DAY_NS,
            None if payloads is None else now_ns - payloads * _DAY_NS,
        )
