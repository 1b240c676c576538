"""How far each partition may be committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Partition: TypeAlias = tuple[str, int]
"""(topic, number)."""


@dataclass(slots=True)
class _Message:
    offset: int
    safe: bool = False
    """Whether it is in the log, or a dead letter."""
    place: int | None = None
    """Where in the log; None where nothing of it is there."""


@dataclass(slots=True)
class _Row:
    messages: deque[_Message] = field(default_factory=deque)
    """Fetched and not yet committed, in the order of the partition."""
    by_offset: dict[int, _Message] = field(default_factory=dict)


class Offsets:
    """What was fetched of each partition, and what became of it. An offset may be committed when everything before it
    is safe."""

    def __init__(self) -> None:
        self._rows: dict[Partition, _Row] = {}

    @property
    def partitions(self) -> set[Partition]:
        """Those of which something was fetched."""
        return set(self._rows)

    def begin(self, partition: tuple[str, int], offsets: Sequence[int]) -> None:
        """These were fetched, in this order. A partition that came back begins anew behind its last commit."""
        row = self._rows.setdefault((partition[0], partition[1]), _Row())
        for offset in offsets:
            if offset not in row.by_offset:
                message = row.by_offset[offset] = _Message(offset)
                row.messages.append(message)

    def done(self, partition: Partition, offset: int, place: int | None) -> None:
        """A message is safe; `place` is where in the log. One of a partition that went elsewhere is passed over."""
        row = self._rows.get(partition)
        message = row.by_offset.get(offset) if row is not None else None
        if message is not None:
            message.safe, message.place = True, place

    def safe(self, delivered: int | None) -> dict[Partition, int]:
        """Partition → the offset to commit, which is that of the next message to read. `delivered`: the place up to
        which the log is written by all exporters; None where being in the log is enough."""
        found: dict[Partition, int] = {}
        for partition, row in self._rows.items():
            for message in row.messages:
                if not _is_safe(message, delivered):
                    break
                found[partition] = message.offset + 1
        return found

    def settled(self, partitions: set[Partition], delivered: int | None) -> bool:
        """Whether all that these partitions brought is safe."""
        return all(
            _is_safe(message, delivered)
            for partition in partitions
            for message in (self._rows[partition].messages if partition in self._rows else ())
        )

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These were committed; nothing before them needs to be remembered."""
        for partition, offset in offsets.items():
            row = self._rows.get(partition)
            while row is not None and row.messages and row.messages[0].offset < offset:
                del row.by_offset[row.messages.popleft().offset]

    def forget(self, partitions: set[Partition]) -> None:
        """These went elsewhere."""
        for partition in partitions:
            self._rows.pop(partition, None)

    assign = forget
    """These came, and begin anew."""

    def clear(self) -> None:
        """Everything went."""
        self._rows.clear()


def _is_safe(message: _Message, delivered: int | None) -> bool:
    return message.safe and (delivered is None or message.place is None or message.place <= delivered)
