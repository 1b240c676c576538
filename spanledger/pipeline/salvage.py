"""A damaged log file: save what can be read, keep the rest for a person, go on.

A Collector with a broken queue file panics or refuses to start, in a loop (collector-contrib issues 35899, 36840,
41802, 48565). Here the readable rows move to a new file, in their order and with their cursors; the damaged file stays
in a folder beside it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger(__name__)

_BLIND_STEPS: Final = 2**40
"""How far to look for the next readable row when not even the last number in use can be read."""
_SINGLE_STEPS: Final = 2000
_COPY_ROWS: Final = 100
_TABLES: Final = (
    ("cursors", "name", "name, seq, crc"),
    ("marks", "name", "name, value"),
    ("entries", "seq", "seq, received_ns, size, project_id, signal, encoding, crc, body"),
    (
        "dead_letters",
        "id",
        "id, key, at_ns, size, kind, source, reason, project_id, seq, content_type, content",
    ),
)

Connect = Callable[[Path], sqlite3.Connection]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a damaged log."""

    entries: int
    """Entries saved."""
    bytes: int
    """Their size."""
    kept_at: Path
    """Where the damaged file is now."""


def salvage(directory: Path, name: str, connect: Connect, schema: str) -> Salvaged:
    """Replace the database `name` by one with all of its rows that can be read. It must be closed. Raises
    `sqlite3.Error` or `OSError` when the new file cannot be written; nothing is changed then."""
    copy = directory / f"{name}.copy"
    _remove(copy)
    target = connect(copy)
    try:
        target.executescript(schema)
        _copy(directory / name, target)
        entries, size = target.execute("SELECT count(*), coalesce(sum(size), 0) FROM entries").fetchone()
    finally:
        target.close()
    # From this name on the copy is complete, and a crash in the middle of the moves is finished by the next start.
    os.replace(copy, directory / f"{name}.salvaged")
    kept_at = finish_salvage(directory, name)
    logger.error(
        "the log %s was damaged: %d entries saved, the damaged file kept in %s", directory / name, entries, kept_at
    )
    return Salvaged(entries, size, kept_at)


def finish_salvage(directory: Path, name: str) -> Path:
    """Move the damaged file away and the complete copy into its place, if there is one; where the former is now."""
    salvaged = directory / f"{name}.salvaged"
    kept_at = directory
    if salvaged.exists():
        if any((directory / f"{name}{suffix}").exists() for suffix in ("", "-wal", "-shm")):
            number = 1
            while (directory / f"damaged-{number}").exists():
                number += 1
            kept_at = directory / f"damaged-{number}"
            kept_at.mkdir(mode=0o700)
            for suffix in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(directory / f"{name}{suffix}", kept_at / f"{name}{suffix}")
        os.replace(salvaged, directory / name)
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return kept_at


def _copy(path: Path, target: sqlite3.Connection) -> None:
    source = sqlite3.connect(path, isolation_level=None)
    source.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        last = _last_numbers(source)
        for table, key, columns in _TABLES:
            if key == "name":
                rows = _all_rows(source, table, columns)
            else:
                rows = _numbered_rows(source, table, key, columns, last.get(table))
            _insert(target, table, columns, rows)
        for table, number in last.items():
            target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
    finally:
        source.close()


def _insert(target: sqlite3.Connection, table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    places = ", ".join("?" * len(columns.split(",")))
    statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
    while batch := list(itertools.islice(rows, _COPY_ROWS)):
        target.execute("BEGIN")
        target.executemany(statement, batch)
        target.execute("COMMIT")


def _all_rows(source: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    with contextlib.suppress(sqlite3.DatabaseError):
        yield from source.execute(f"SELECT {columns} FROM {table}")  # noqa: S608


def _numbered_rows(
    source: sqlite3.Connection, table: str, key: str, columns: str, last: int | None
) -> Iterator[tuple[Any, ...]]:
    """Rows in order of their integer key, without those that cannot be read."""
    select = f"SELECT {columns} FROM {table} NOT INDEXED WHERE {key} > ? ORDER BY {key}"  # noqa: S608

    def readable(after: int) -> bool:
        try:
            source.execute(select, (after,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    at: int | None = 0
    while at is not None:
        try:
            for row in source.execute(select, (at,)):
                at = row[0]
                yield row
            return
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                return  # no database at all, or a disk that does not answer
            at = _next_readable(readable, at, last if last is not None else at + _BLIND_STEPS)


def _next_readable(readable: Callable[[int], bool], at: int, last: int) -> int | None:
    """The first place behind `at` from which rows can be read again; None when there is none up to `last`. Goes step by
    step first, so that a few good rows between two bad pages are found, then in growing strides."""
    for step in range(at + 1, min(at + _SINGLE_STEPS, last) + 1):
        if readable(step):
            return step
    bad, stride = at + _SINGLE_STEPS, 1
    while bad < last:
        good = min(bad + stride, last)
        if readable(good):
            while good - bad > 1:
                middle = (bad + good) // 2
                bad, good = (bad, middle) if readable(middle) else (middle, good)
            return good
        bad, stride = good, stride * 2
    return None


def _last_numbers(source: sqlite3.Connection) -> dict[str, int]:
    with contextlib.suppress(sqlite3.DatabaseError):
        numbers = source.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        return {name: number for name, number in numbers if isinstance(number, int)}
    return {}


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
