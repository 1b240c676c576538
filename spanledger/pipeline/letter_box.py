"""The dead letters of a log on disk: one SQLite database in the log's directory.

Letters are rare, are looked for by exporter and reason, and go one by one; people read them while the service runs. The
log itself has none of these needs and is a file of its own (`spanledger.pipeline.segment`).

A letter is on disk before a cursor passes what it holds: a cursor never gets past something that is neither written nor
here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from spanledger.errors import LogError
from spanledger.pipeline.dead_letters import DeadLetter, LetterFilter, LetterKind, StoredLetter
from spanledger.pipeline.segment import sync_directory

logger = logging.getLogger(__name__)

NAME: Final = "dead-letters.db"
_APPLICATION_ID: Final = 0x53504C4C  # "SPLL"
_VERSION: Final = 1
_COLUMNS: Final = "id, at_ns, kind, source, reason, project_id, seq, content_type, content, key"
_SCHEMA: Final = f"""
    CREATE TABLE IF NOT EXISTS dead_letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key BLOB NOT NULL UNIQUE,
        at_ns INTEGER NOT NULL,
        size INTEGER NOT NULL,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        reason TEXT NOT NULL,
        project_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        content BLOB NOT NULL
    );
    -- Sums over sizes must not touch the contents.
    CREATE INDEX IF NOT EXISTS dead_letter_sizes ON dead_letters (id, size);
    PRAGMA user_version = {_VERSION};
    PRAGMA application_id = {_APPLICATION_ID};
"""

T = TypeVar("T")


class LetterBox:
    """The letters in a directory. Synchronous; each call is a transaction. Several processes may use one."""

    def __init__(self, directory: Path, max_bytes: int, *, owner: bool = True) -> None:
        """`owner`: whether a damaged file may be put aside; the directory is locked then."""
        self._directory = directory
        self._path = directory / NAME
        self._max_bytes = max_bytes
        self._owner = owner
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or create; a damaged file is put aside first. Raises `LogError`. Other calls open what is not open."""
        self.count()
        sync_directory(self._directory)

    def close(self) -> None:
        """Let go; the next call opens again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # a disk error here has nothing left to lose
                connection.close()

    def add(self, letters: Sequence[DeadLetter], at_ns: int) -> int:
        """Add letters, then drop the oldest beyond the bound; how many were dropped. The newest always stays. Raises
        `LogError`."""
        return self._run(lambda connection: self._add(connection, letters, at_ns), "IMMEDIATE")

    def list(self, after: int, limit: int, wanted: LetterFilter | None = None) -> list[StoredLetter]:
        """Letters with id > after, oldest first. Raises `LogError`."""
        where, values = _where(wanted)
        rows = self._run(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM dead_letters WHERE id > ?{where} ORDER BY id LIMIT ?",  # noqa: S608
                (after, *values, limit),
            ).fetchall()
        )
        return [
            StoredLetter(row[0], row[1], DeadLetter(LetterKind(row[2]), *row[3:10]))  # the columns in the class's order
            for row in rows
        ]

    def remove(self, ids: Sequence[int]) -> int:
        """Delete letters; how many there were. Raises `LogError`."""
        return self._run(lambda connection: _remove(connection, ids), "IMMEDIATE")

    def count(self, wanted: LetterFilter | None = None) -> int:
        """How many there are. Raises `LogError`."""
        where, values = _where(wanted)
        (count,) = self._run(
            lambda connection: connection.execute(
                f"SELECT count(*) FROM dead_letters WHERE true{where}",  # noqa: S608
                values,
            ).fetchone()
        )
        return int(count)

    def _run(self, work: Callable[[sqlite3.Connection], T], mode: str = "DEFERRED") -> T:
        """Do work in a transaction; once more on a new file if this one is damaged."""
        try:
            try:
                return self._attempt(work, mode)
            except sqlite3.DatabaseError as error:
                if not (self._owner and _is_damage(error)):
                    raise
                self._put_aside(error)
                return self._attempt(work, mode)
        except (sqlite3.Error, OSError) as error:
            self.close()  # what a failed sync left in the page cache is not to be trusted
            full = isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_FULL
            raise LogError(f"{self._path}: {'the disk is full' if full else error}") from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T], mode: str) -> T:
        if self._connection is None:
            self._connection = _connect(self._path)
        connection = self._connection
        connection.execute(f"BEGIN {mode}")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back on its own after some errors
                connection.execute("ROLLBACK")
            raise
        return result

    def _add(self, connection: sqlite3.Connection, letters: Sequence[DeadLetter], at_ns: int) -> int:
        connection.executemany(
            "INSERT OR IGNORE INTO dead_letters"
            " (key, at_ns, size, kind, source, reason, project_id, seq, content_type, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(one.key, at_ns, len(one.content), one.kind, one.source),
                    *(one.reason, one.project_id, one.seq, one.content_type, one.content),
                )
                for one in letters
            ],
        )
        (excess,) = connection.execute(
            "SELECT coalesce(sum(size), 0) - ? FROM dead_letters", (self._max_bytes,)
        ).fetchone()
        if excess <= 0:
            return 0
        return connection.execute(
            "DELETE FROM dead_letters WHERE id < (SELECT max(id) FROM dead_letters) AND id <= ("
            " SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) AS freed FROM dead_letters)"
            " WHERE freed >= ? LIMIT 1)",
            (excess,),
        ).rowcount

    def _put_aside(self, error: sqlite3.Error) -> None:
        self.close()
        kept_at = damaged_directory(self._directory)
        number = 1
        while (kept := kept_at / f"{NAME}.{number}").exists():
            number += 1
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._path}{suffix}", f"{kept}{suffix}")
        logger.error("%s is damaged (%s); it is kept as %s, and a new one is begun", self._path, error, kept)


def damaged_directory(directory: Path) -> Path:
    """Where what cannot be read any more is kept for a person."""
    path = directory / "damaged"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _connect(path: Path) -> sqlite3.Connection:
    """Raises `sqlite3.Error`, `OSError`, `LogError`."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    # A letter may hold what no text encoding knows.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise LogError(f"{path.parent} cannot hold the log: SQLite's WAL mode does not work on its file system")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # who deletes a letter means its bytes
        # macOS acknowledges fsync before the drive has written; F_FULLFSYNC waits. No effect elsewhere.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise LogError(f"{path} was written by a newer spanledger (format {version}, known is {_VERSION})")
        if version < _VERSION:
            connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _remove(connection: sqlite3.Connection, ids: Sequence[int]) -> int:
    return connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(one,) for one in ids]).rowcount


def _where(wanted: LetterFilter | None) -> tuple[str, tuple[str | int, ...]]:
    if wanted is None:
        return "", ()
    clauses: list[tuple[str, str | int | None]] = [
        (" AND source = ?", wanted.source),
        (" AND project_id = ?", wanted.project_id),
        (" AND instr(lower(reason), ?) > 0", wanted.reason.lower() if wanted.reason else None),
        (" AND at_ns < ?", wanted.before_ns),
    ]
    text, values = "", []
    for clause, value in clauses:
        if value is not None:
            text += clause
            values.append(value)
    return text, tuple(values)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _is_damage(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
