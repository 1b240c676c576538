"""Connections to Postgres: how they are opened, what they are told, how their failures are named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import asyncpg

from spanledger.errors import StoreError
from spanledger.exporters.postgres.faults import LoginRefused, translate
from spanledger.exporters.postgres.settings import PostgresSettings, TlsSettings

OLDEST_VERSION: Final = 14
"""The first with a choice of compression, and with pruning of partitions in every plan that is used here."""

Connection: TypeAlias = Any  # asyncpg has no types


class Pool:
    """A few connections to one database, opened when they are needed. Raises `StoreError` and its kinds."""

    def __init__(
        self, settings: PostgresSettings, *, size: int, timeout: float, tuning: Mapping[str, str] | None = None
    ) -> None:
        """`timeout` bounds each statement, in seconds; `tuning`: settings of Postgres, where its own do not do."""
        self._tuning = dict(tuning or {})
        self.settings = settings
        self._size = size
        self._timeout = timeout
        self._pool: Any = None
        self._lz4: bool | None = None

    async def open(self) -> None:
        """Connects once. Raises `StoreUnavailable` when the server is away, and another `StoreError` when it can never
        work."""
        _check_files(self.settings.tls)
        if self._pool is not None:
            return
        with _named(self._connecting):
            self._pool = await asyncpg.create_pool(**self._arguments())
        try:
            async with self.connection("connect") as connection:
                version = connection.get_server_version()
                if version.major < OLDEST_VERSION:
                    raise StoreError(
                        f"{self.where} is PostgreSQL {version.major}, spanledger needs {OLDEST_VERSION} or newer"
                    )
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections. Never raises."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()  # nothing is under way any more; a graceful end would wait for a server that is away

    @property
    def where(self) -> str:
        """The store for a person, without user and password."""
        settings = self.settings
        return f"{settings.host}:{settings.port}, database {settings.database}, schema {settings.schema_name}"

    @property
    def _connecting(self) -> str:
        return f"connect to {self.settings.host}:{self.settings.port}"

    @contextlib.asynccontextmanager
    async def connection(self, doing: str) -> AsyncIterator[Connection]:
        """A connection for a while. Whatever the driver raises inside becomes a `StoreError`."""
        if self._pool is None:
            raise RuntimeError("the store is not started")
        with _named(doing, self.settings):
            async with self._pool.acquire(timeout=self.settings.connect_timeout + self._timeout) as connection:
                yield connection

    def _arguments(self) -> dict[str, Any]:
        settings, tls = self.settings, self.settings.tls
        files = {"sslrootcert": tls.ca_file, "sslcert": tls.cert_file, "sslkey": tls.key_file}
        parameters = {"sslmode": tls.sslmode.value} | {name: path for name, path in files.items() if path}
        milliseconds = str(max(1, round(self._timeout * 1000)))
        return {
            "dsn": f"postgresql://?{urlencode(parameters)}",
            "host": settings.host,
            "port": settings.port,
            "user": settings.username,
            "password": settings.password.get_secret_value() or None,
            "database": settings.database,
            "min_size": 1,
            "max_size": self._size,
            "timeout": settings.connect_timeout,
            # The server gives up first, and says so.
            "command_timeout": self._timeout + 5,
            "statement_cache_size": 100 if settings.prepared_statements else 0,
            "max_inactive_connection_lifetime": 300.0,
            "init": self._init,
            "reset": _nothing,
            "server_settings": {
                "application_name": "spanledger",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                # Plans are made for a few rows by key; compiling them costs more than running them.
                "jit": "off",
                "timezone": "UTC",
                **self._tuning,
            },
        }

    async def _init(self, connection: Connection) -> None:
        if self._lz4 is None:
            self._lz4 = await connection.fetchval(
                "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
            )
        if self._lz4:
            await connection.execute("SET default_toast_compression = 'lz4'")


async def _nothing(connection: Connection) -> None:
    """What is set for longer than a transaction is set for good, so a loan leaves nothing behind to reset."""


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def _named(doing: str, settings: PostgresSettings | None = None) -> Any:
    try:
        yield
    except (StoreError, RuntimeError):
        raise
    except Exception as error:
        raise translate(error, doing) from error


def _check_files(tls: TlsSettings) -> None:
    for name, path in (("ca_file", tls.ca_file), ("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        if path is not None and not os.access(path, os.R_OK):
            raise StoreError(f"tls::{name}: cannot read {path}")


__all__ = ["Connection", "LoginRefused", "Pool", "identifier"]
