"""Reading the log while it is being written, on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spanledger.pipeline.base import Entry
from spanledger.pipeline.framing import Damage, entry_of
from spanledger.pipeline.log_file import Damaged, LogFile, letter_of_damaged

_WINDOW_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Extract:
    """Entries read, damage met, and how far the reading got."""

    entries: list[Entry]
    damaged: list[Damaged]
    through: int


def read(file: LogFile, after: int, until: int, max_bytes: int) -> Extract:
    """As `Log.read`. Raises `OSError`."""
    entries: list[Entry] = []
    damaged: list[Damaged] = []
    size, after = 0, max(after, file.head)
    for segment in file.segments:
        if segment.last_seq <= after:
            continue
        if segment.first_seq > until:
            break
        with segment.reading(_WINDOW_BYTES) as window:
            for found in segment.after(window, after):
                if isinstance(found, Damage):
                    damaged.append(Damaged(segment, found, None))
                    continue
                if found.seq > until:
                    return Extract(entries, damaged, until)
                body = window.get(found.body_at, found.body_bytes)
                try:
                    entries.append(entry_of(found, body, segment.seed))
                except ValueError as error:
                    letter = letter_of_damaged(found, body, str(error))
                    damaged.append(Damaged(segment, Damage(found.at, found.end), letter))
                size += found.size
                if size >= max_bytes:
                    return Extract(entries, damaged, found.seq)
    return Extract(entries, damaged, until)
