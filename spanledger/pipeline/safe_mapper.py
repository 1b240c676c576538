"""A mapper that no item can break."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spanledger.model.received import Item
from spanledger.model.records import Record
from spanledger.pipeline.base import Mapper
from spanledger.pipeline.batch import newest_versions
from spanledger.pipeline.clock import Clock
from spanledger.pipeline.dead_letters import describe
from spanledger.pipeline.log_limit import LogLimit
from spanledger.pipeline.mapping_counts import Remembering

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Mapped:
    """What became of the items of an entry."""

    records: list[Record] = field(default_factory=list)
    unmappable: list[tuple[int, str]] = field(default_factory=list)
    """Place in the entry, and why."""


class SafeMapper:
    """Gives items to a mapper, and when that raises, finds out which items are to blame.

    A mapper that raised may have remembered half of its items as reported; asked again it would say nothing of them.
    So the good ones are also mapped by fresh mappers, which know nothing but these items: whatever the memory of the
    first one has come to, each of them makes its record. Where both make one, the version decides.
    """

    def __init__(self, new_mapper: Callable[[], Mapper], clock: Clock) -> None:
        self._new_mapper = new_mapper
        self._mapper = new_mapper()
        self._limit = LogLimit(clock)

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> Mapped:
        """As `Mapper.add`, but never raises."""
        if not items:
            return Mapped()
        try:
            return Mapped(self._mapper.add(project_id, items, now_ns))
        except Exception:
            left_out = self._limit.allow()
            if left_out is not None:
                logger.exception("items of project %s cannot be mapped%s", project_id, left_out)
        return self._add_carefully(project_id, items, now_ns)

    def remembered(self) -> tuple[int, int, int]:
        """Traces, items and rough bytes that the mapper remembers; zeros where it does not tell."""
        return self._mapper.remembered() if isinstance(self._mapper, Remembering) else (0, 0, 0)

    def _add_carefully(self, project_id: str, items: Sequence[Item], now_ns: int) -> Mapped:
        mapped = Mapped()
        places = self._good(project_id, items, now_ns, 0, mapped.unmappable)
        good = [items[at] for at in places]
        alone: list[Record] = []
        together: list[Record] = []
        remembered: list[Record] = []
        try:
            together = self._new_mapper().add(project_id, good, now_ns)
            remembered = self._mapper.add(project_id, good, now_ns)
        except Exception:  # each for itself is good; what is wrong lies between them, or in the memory
            for at in places:
                own = self._new_mapper().add(project_id, [items[at]], now_ns)
                alone.extend(own)
                try:
                    remembered.extend(self._mapper.add(project_id, [items[at]], now_ns))
                except Exception as error:
                    if not own:
                        mapped.unmappable.append((at, describe(error)))
        mapped.records = newest_versions([*alone, *together, *remembered])  # of equals, the one that knew more
        return mapped

    def _good(
        self, project_id: str, items: Sequence[Item], now_ns: int, first: int, unmappable: list[tuple[int, str]]
    ) -> list[int]:
        """Places of the items that a fresh mapper takes, found by halves; the others go to `unmappable`."""
        try:
            self._new_mapper().add(project_id, items, now_ns)
            return list(range(first, first + len(items)))
        except Exception as error:
            if len(items) == 1:
                unmappable.append((first, describe(error)))
                return []
        middle = len(items) // 2
        good = self._good(project_id, items[:middle], now_ns, first, unmappable)
        return good + self._good(project_id, items[middle:], now_ns, first + middle, unmappable)
