"""A look at a log from outside, also while a process writes it: nothing is changed, nothing is locked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spanledger.pipeline.base import Entry
from spanledger.pipeline.cursor_file import NAME as CURSORS
from spanledger.pipeline.cursor_file import newest_slot
from spanledger.pipeline.directory_lock import holder
from spanledger.pipeline.framing import Damage, entry_of
from spanledger.pipeline.segment import SUFFIX, Segment, salt_of

_WINDOW_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one exporter has not written yet."""

    cursor: int
    entries: int
    bytes: int
    oldest_ns: int | None
    """When the oldest of it was received."""


class LogView:
    """The entries and cursors of a log as they were when this was made. Files that are deleted meanwhile read as if
    they were empty: every exporter has what they held."""

    def __init__(self, directory: Path) -> None:
        """Raises `OSError`, `LogError`."""
        self.directory = directory
        self.holder = holder(directory)
        """Id of the process that uses the log; None when none does."""
        slot = newest_slot(directory / CURSORS)
        self.cursors: Mapping[str, int] = slot.cursors if slot is not None else {}
        self.segments: list[Segment] = []
        paths = sorted(path for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())
        for path in paths:
            segment = Segment(path, slot.salt if slot is not None else salt_of(path) or b"")
            try:
                segment.recover(is_last=False)  # changes nothing
            except FileNotFoundError:
                continue
            self.segments.append(segment)

    @property
    def entries(self) -> int:
        """How many are in the files; delivered ones that are kept for the mapping's memory count."""
        return sum(segment.entries for segment in self.segments)

    @property
    def bytes(self) -> int:
        """Of all entries, as the log counts them."""
        return sum(segment.bytes for segment in self.segments)

    @property
    def last_seq(self) -> int:
        """Place of the last entry."""
        return max((segment.last_seq for segment in self.segments), default=0)

    def waiting(self, exporter: str) -> Waiting:
        """What an exporter has not written yet."""
        cursor = self.cursors[exporter]
        passed = [segment.place_after(cursor) for segment in self.segments]
        oldest = next((entry.received_ns for entry in self.read(after=cursor)), None)
        return Waiting(
            cursor,
            self.entries - sum(place.entries for place in passed),
            self.bytes - sum(place.bytes for place in passed),
            oldest,
        )

    def read(self, after: int = 0) -> Iterator[Entry]:
        """Entries with a higher place, in order; damaged ones are left out."""
        for segment in self.segments:
            with segment.reading(_WINDOW_BYTES) as window:
                for found in segment.after(window, after):
                    if isinstance(found, Damage):
                        continue
                    body = window.get(found.body_at, found.body_bytes)
                    try:
                        entry = entry_of(found, body, segment.seed)
                    except ValueError:
                        continue
                    yield entry
