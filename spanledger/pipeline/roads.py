"""Which entries of the log are whose, where pipelines fork.

One log holds what every road of the configuration left of a request, each as an entry that names the pipelines in whose
exporters it ends. So a sync makes all of them safe, one bound holds for all, and every exporter still has one cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanledger.pipeline.base import Entry
from spanledger.pipeline.dead_letters import DeadLetter, letter_of_entry


@dataclass(frozen=True, slots=True)
class Roads:
    """What one reader of the log takes."""

    ends: frozenset[str] = frozenset()
    """Ids of the pipelines that lead to it."""
    known: frozenset[str] = frozenset()
    """Ids of all pipelines."""

    def take(self, road: str) -> bool:
        """Whether an entry is for it."""
        return not road or any(name in self.ends for name in road.split(","))

    def strays(self, entries: Sequence[Entry]) -> list[DeadLetter]:
        """Letters for entries whose pipelines the configuration does not have any more: what was processed for one
        destination is given to no other one, and not thrown away either. Every reader finds the same; kept is one."""
        return [
            letter_of_entry(
                "pipelines",
                entry.project_id,
                entry.seq,
                f"{entry.signal}/{entry.encoding}",
                entry.body,
                f"it was processed for {entry.road}, which the configuration does not have any more",
                road=entry.road,
                context=entry.context,
            )
            for entry in entries
            if entry.road and self.known.isdisjoint(entry.road.split(","))
        ]


EVERYTHING = Roads()
"""For a configuration without forks."""
