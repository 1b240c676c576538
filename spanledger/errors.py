"""Every error that spanledger raises on purpose.

::

    SpanledgerError
    ├── ConfigError        the configuration cannot be used; says file, key path, found, expected
    ├── PayloadError       a whole request body cannot be decoded (HTTP 400, gRPC INVALID_ARGUMENT)
    │   └── PayloadTooLarge    over a size limit (HTTP 413, gRPC RESOURCE_EXHAUSTED)
    ├── StoreError         a store refused or failed
    │   ├── StoreUnavailable   worth trying again: away, overloaded, timed out
    │   ├── StoreInUse         another process holds a store that only one can use at a time
    │   └── SchemaError        the store's schema is newer than this program, or a migration was changed
    ├── CredentialsUnavailable  what an exporter shows its destination cannot be had now
    ├── LogError           the durable log cannot be opened or written
    ├── Unauthenticated    the sender gave no key, or one that nobody knows (HTTP 401, gRPC UNAUTHENTICATED)
    ├── PermissionDenied   the key is known and not allowed to do this (HTTP 403, gRPC PERMISSION_DENIED)
    ├── NotServed          no pipeline takes this signal (HTTP 404, gRPC UNIMPLEMENTED)
    ├── Throttled          the project sent all it may for now (HTTP 429, gRPC RESOURCE_EXHAUSTED)
    └── Overloaded         no room now; says after how many seconds to try again (HTTP 503, gRPC UNAVAILABLE)

Texts are for the person who must act: what was wrong, where, what was expected. They never carry secrets.
"""

from __future__ import annotations


class SpanledgerError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(SpanledgerError):
    """The configuration cannot be used."""


class PayloadError(SpanledgerError):
    """A request body as a whole cannot be decoded; retrying the same bytes is useless."""


class PayloadTooLarge(PayloadError):
    """A request body is over a size limit, before or after decompression."""


class StoreError(SpanledgerError):
    """A store refused a statement or failed while it ran."""


class StoreUnavailable(StoreError):
    """The store is away, overloaded or timed out; the same write is worth trying again."""


class StoreInUse(StoreError):
    """Another process holds a store that only one can use at a time."""


class SchemaError(StoreError):
    """The store's schema does not fit this program."""


class CredentialsUnavailable(SpanledgerError):
    """What an exporter shows its destination cannot be had now; worth trying again."""


class LogError(SpanledgerError):
    """The durable log cannot be opened or written."""


class Unauthenticated(SpanledgerError):
    """The sender gave no key, or one that nobody knows."""


class PermissionDenied(SpanledgerError):
    """The sender's key is known and not allowed to do this."""


class NotServed(SpanledgerError):
    """No pipeline takes this signal."""


class Overloaded(SpanledgerError):
    """Nothing can be accepted right now; the sender should try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(SpanledgerError):
    """The project sent all that it may for now; it should try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
