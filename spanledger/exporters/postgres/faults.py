"""What a failure of the driver or the server means: try again, these records are wrong, or it can never work."""

from __future__ import annotations

from typing import Final

import asyncpg

from spanledger.errors import StoreError, StoreUnavailable

_LONGEST: Final = 300
# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_DATA_CLASSES: Final = frozenset({"22", "23", "54"})  # data exception, integrity constraint, program limit
_LOGIN_CLASS: Final = "28"
_MISSING: Final = frozenset({"42P01", "3F000", "42703"})  # table, schema, column
_CANCELED: Final = "57014"
NO_PARTITION: Final = "23514"  # check violation; the ledger has no check constraints, so it is a missing partition


class DataRefused(StoreError):
    """The store does not take at least one record of the batch, now or ever."""


class LoginRefused(StoreError):
    """The server does not know the user or the password."""


class PartitionMissing(StoreUnavailable):
    """Another process dropped a partition meanwhile."""


class SchemaMissing(StoreUnavailable):
    """The ledger's tables are not there yet."""


class StatementTimeout(StoreUnavailable):
    """A statement took longer than it may."""


def translate(error: BaseException, doing: str) -> StoreError:
    """The error of `spanledger.errors` for an exception that the driver raised while `doing` something."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return _of_server(error, doing)
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError) and not isinstance(error, ValueError):
        return StoreUnavailable(f"{doing}: {_text(error)}")
    if isinstance(error, TimeoutError):
        return StatementTimeout(f"{doing}: no answer in time")
    if isinstance(error, OSError):
        return StoreUnavailable(f"{doing}: {error.strerror or _text(error)}")
    # Raised while the driver serialised a value, which its text quotes.
    return DataRefused(f"{doing}: {type(error).__name__} while a row was written")


def _of_server(error: asyncpg.PostgresError, doing: str) -> StoreError:
    state = error.sqlstate or ""
    if state == NO_PARTITION:
        return PartitionMissing(f"{doing}: {_text(error)}")
    if state[:2] in _DATA_CLASSES:  # the message may quote the value
        return DataRefused(f"{doing}: {type(error).__name__} (SQLSTATE {state})")
    text = f"{doing}: {_text(error)}"
    if state[:2] == _LOGIN_CLASS:
        return LoginRefused(text)
    if state in _MISSING:
        return SchemaMissing(text)
    if state == _CANCELED:
        return StatementTimeout(text)
    # Everything else may end: a restart, an overloaded or read-only server, a missing grant or database, a full disk.
    return StoreUnavailable(text)


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__
