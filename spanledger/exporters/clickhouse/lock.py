"""One process migrates at a time.

ClickHouse has no advisory lock, but to create a table is atomic: who creates `schema_lock` holds the lock, and drops it
in the end. A holder that dies leaves it behind, so each statement of a migration renews it, and one that nobody renewed
for a quarter of an hour is void; at once where the holder was a process of this machine that is gone, or an attempt of
this process that was cut off from the database.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

from spanledger.errors import StoreUnavailable
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.faults import AlreadyThere
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, literal

TABLE: Final = "schema_lock"
VOID_AFTER: Final = 900
"""Seconds without a sign of the holder."""
_POLL: Final = 0.2
_attempts: Final[set[str]] = set()
"""Those of this process that hold a lock or are about to."""


@contextlib.contextmanager
def locked(connection: Connection, settings: ClickHouseSettings) -> Iterator[Callable[[], None]]:
    """Holds the lock meanwhile; what it gives renews it. Blocks for `timeout` of the settings, then raises
    `StoreUnavailable`: the pipeline tries again later."""
    tables = Tables.of(settings)
    name = tables.named(TABLE)
    attempt = secrets.token_hex(8)
    holder = f"{_place()} attempt {attempt} pid {os.getpid()}"
    _attempts.add(attempt)
    try:
        yield from _locked(connection, settings, tables, name, holder)
    finally:
        _attempts.discard(attempt)


def _locked(
    connection: Connection, settings: ClickHouseSettings, tables: Tables, name: str, holder: str
) -> Iterator[Callable[[], None]]:
    deadline = time.monotonic() + settings.timeout
    while not _taken(connection, tables, name, holder):
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"database {settings.database} is being migrated by {_holder(connection, settings.database)}; if that "
                f"process is gone, wait {VOID_AFTER // 60} minutes or drop the table {TABLE}"
            )
        time.sleep(_POLL)
    try:
        yield lambda: connection.command(f"ALTER TABLE {name}{tables.on_cluster} MODIFY COMMENT {literal(holder)}")
    finally:
        connection.command(f"DROP TABLE IF EXISTS {name}{tables.on_cluster} SYNC")


def _taken(connection: Connection, tables: Tables, name: str, holder: str) -> bool:
    try:
        connection.command(
            f"CREATE TABLE {name}{tables.on_cluster} (holder String) ENGINE = TinyLog COMMENT {literal(holder)}"
        )
    except AlreadyThere:
        void = connection.query(
            "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String} "
            "AND metadata_modification_time < now() - {age:UInt32}",
            {"database": tables.database, "table": TABLE, "age": VOID_AFTER},
        )
        if void or _is_gone(_holder(connection, tables.database)):
            connection.command(f"DROP TABLE IF EXISTS {name}{tables.on_cluster} SYNC")
        return False
    return True


def migrating(connection: Connection, settings: ClickHouseSettings) -> str | None:
    """Who migrates the database now; None where nobody does, or a process that is gone left its lock behind."""
    rows = connection.query(
        "SELECT comment FROM system.tables WHERE database = {database:String} AND name = {table:String} "
        "AND metadata_modification_time >= now() - {age:UInt32}",
        {"database": settings.database, "table": TABLE, "age": VOID_AFTER},
    )
    return next((str(holder) for (holder,) in rows if not _is_gone(str(holder))), None)


def _place() -> str:
    """Where a process number means something: this machine and, because containers may share its name, its namespace
    of processes."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        return socket.gethostname()
    return f"{socket.gethostname()} namespace {namespace}"


def _is_gone(holder: str) -> bool:
    """Whether a holder was a process here that was killed, or an attempt here that has ended: the next one must not
    wait for it."""
    rest, _, pid = holder.rpartition(" pid ")
    place, _, attempt = rest.rpartition(" attempt ")
    if place != _place() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():  # or of one that had our number before us, as in a container that was started again
        return attempt not in _attempts
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _holder(connection: Connection, database: str) -> str:
    rows = connection.query(
        "SELECT comment FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": database, "table": TABLE},
    )
    return str(rows[0][0]) if rows else "another process"
