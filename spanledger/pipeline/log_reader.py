"""Reading the log while it is being written: a second connection, on a thread of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import Any

from spanledger.model.received import Encoding, Signal
from spanledger.pipeline.base import Entry
from spanledger.pipeline.dead_letters import DeadLetter, DeadLetterTable, letter_of_entry
from spanledger.pipeline.log_file import NAME, checksum, connect, warm_up_start
from spanledger.pipeline.settings import FileStorageSettings


@dataclass(frozen=True, slots=True)
class Extract:
    """Entries read, letters for the damaged ones, and how far the reading got."""

    entries: list[Entry]
    damaged: list[DeadLetter]
    through: int


class LogReader:
    """A connection of its own that reads while the other one writes."""

    def __init__(self, settings: FileStorageSettings) -> None:
        self._path = settings.directory / NAME
        self._warm_up = settings.warm_up
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close; the next reading opens again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def read(self, after: int, until: int, max_bytes: int) -> Extract:
        """As `Log.read`."""
        entries: list[Entry] = []
        damaged: list[DeadLetter] = []
        size, through = 0, until
        cursor = self._db.execute(
            "SELECT seq, received_ns, project_id, signal, encoding, crc, body FROM entries"
            " WHERE seq > ? AND seq <= ? ORDER BY seq",
            (after, until),
        )
        with contextlib.closing(cursor):
            for row in cursor:
                entry = _entry(row)
                if isinstance(entry, Entry):
                    entries.append(entry)
                    size += entry.size
                else:
                    damaged.append(entry)
                    size += len(entry.content)
                if size >= max_bytes:
                    through = row[0]
                    break
        return Extract(entries, damaged, through)

    def warm_up_start(self, before: int) -> int:
        """As `Log.warm_up_start`."""
        return warm_up_start(self._db, self._warm_up, before)

    def dead_letters(self) -> DeadLetterTable:
        """The letters, for reading."""
        return DeadLetterTable(self._db, 0)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path)
            self._connection.execute("PRAGMA query_only = ON")
        return self._connection


def _entry(row: tuple[int, Any, Any, Any, Any, Any, Any]) -> Entry | DeadLetter:
    seq, received_ns, project_id, signal, encoding, crc, body = row
    content_type = f"{signal}/{encoding}"
    try:
        entry = Entry(seq, received_ns, project_id, Signal(signal), Encoding(encoding), bytes(body))
        if checksum(entry) == crc:
            return entry
        reason = "checksum mismatch: the entry was damaged on disk"
    except (ValueError, TypeError) as error:
        reason = f"the entry cannot be read back: {error}"
    content = body if isinstance(body, bytes) else str(body).encode("utf-8", "replace")
    return letter_of_entry("log", str(project_id), seq, content_type, content, reason)
