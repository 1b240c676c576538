"""What a failure of the driver or the engine means: try again, these records are wrong, or it can never work."""

from __future__ import annotations

import re
import struct
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, Error, ProgrammingError

from spanledger.errors import StoreError, StoreUnavailable

# Numbers from ClickHouse's src/Common/ErrorCodes.cpp.
_DATA_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        469,  # VIOLATED_CONSTRAINT
    }
)
_TOO_MUCH_CODES: Final = frozenset({241})  # MEMORY_LIMIT_EXCEEDED
_LOGIN_CODES: Final = frozenset({192, 193, 194, 516})  # UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTH_FAILED
_NEVER_CODES: Final = frozenset({115, 452})  # UNKNOWN_SETTING, SETTING_CONSTRAINT_VIOLATION
_MISSING_CODES: Final = frozenset({60, 81, 390})  # UNKNOWN_TABLE, UNKNOWN_DATABASE, CANNOT_GET_CREATE_TABLE_QUERY
_THERE_CODES: Final = frozenset({57})  # TABLE_ALREADY_EXISTS
_TIMEOUT_CODES: Final = frozenset({159, 160})  # TIMEOUT_EXCEEDED, TOO_SLOW
_HTTP_STATUS: Final = re.compile(r"HTTP driver received HTTP status (\d+)")
_LONGEST: Final = 300


class DataRefused(StoreError):
    """The store does not take at least one record of the batch, now or ever."""


class BatchTooLarge(StoreUnavailable):
    """The store cannot take this much at once; a smaller batch may pass."""


class LoginRefused(StoreError):
    """The server does not know the user or the password."""


class SchemaMissing(StoreUnavailable):
    """The ledger's tables are not there yet."""


class AlreadyThere(StoreError):
    """A table that was to be made exists."""


class StatementTimeout(StoreUnavailable):
    """A statement took longer than it may."""


def translate(error: Exception, doing: str) -> StoreError:
    """The error of `spanledger.errors` for an exception that the driver raised while `doing` something."""
    if isinstance(error, TypeError | ValueError | ArithmeticError | LookupError | AttributeError | struct.error):
        # Raised while the driver serialised a column: the value has the wrong type. Its text may quote the value.
        return DataRefused(f"{doing}: {type(error).__name__} while a column was written")
    if not isinstance(error, ClickHouseError):  # a full disk below the temporary folder, no memory
        return StoreUnavailable(f"{doing}: {error}")
    code = error.code if isinstance(error, Error) else None
    text = f"{doing}: {_text(error)}"
    if code in _NEVER_CODES or isinstance(error, ProgrammingError):
        return StoreError(text)
    if code in _DATA_CODES or isinstance(error, DataError) or _status(error) == 413:
        return DataRefused(text)
    if code in _TOO_MUCH_CODES:
        return BatchTooLarge(text)
    if code in _LOGIN_CODES or _status(error) == 401:
        return LoginRefused(text)
    if code in _MISSING_CODES:
        return SchemaMissing(text)
    if code in _THERE_CODES:
        return AlreadyThere(text)
    if code in _TIMEOUT_CODES:
        return StatementTimeout(text)
    # Everything else may end: the network, an overloaded or read-only server, a missing grant, a full disk.
    return StoreUnavailable(text)


def _status(error: Exception) -> int | None:
    found = _HTTP_STATUS.search(str(error))
    return int(found[1]) if found else None


def _text(error: BaseException) -> str:
    """What went wrong, in one line without the address: the driver's text, and the innermost cause on the network."""
    cause: BaseException | None = error.__cause__
    innermost = None
    for _ in range(10):
        if isinstance(cause, OSError) and (cause.strerror or isinstance(cause, TimeoutError)):
            innermost = cause.strerror or "timed out"
        cause = cause.__cause__ or cause.__context__ if cause else None
    message = " ".join(str(error).split())[:_LONGEST]
    return f"{message} ({innermost})" if innermost else message
