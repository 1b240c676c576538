"""One connection to ClickHouse, to a server or to the embedded engine alike.

Blocking, for one thread at a time. Nothing outside this module knows the driver.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias

import clickhouse_connect
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.compression import get_compressor

from spanledger.errors import StoreError, StoreUnavailable
from spanledger.exporters.clickhouse import embedded
from spanledger.exporters.clickhouse.cluster import QUERY_SETTINGS
from spanledger.exporters.clickhouse.endpoint import Server
from spanledger.exporters.clickhouse.faults import LoginRefused, translate
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import identifier
from spanledger.settings import parse_duration

_native: ModuleType | None
try:
    from spanledger.exporters.clickhouse import native as _native
except ImportError:  # installed without a C compiler: the driver writes the blocks
    _native = None

Parameters: TypeAlias = Mapping[str, str | int | Sequence[str] | Sequence[tuple[str, str]]]
"""Values of `{name:Type}` placeholders; they never become part of the SQL text."""

OLDEST_VERSION: Final = (23, 8)
"""ReplacingMergeTree with is_deleted came in 23.2; 23.8 is the first long-term release with it."""

# The driver and its HTTP library log failures themselves, with tracebacks that may quote values. They come back as
# exceptions, which the pipeline reports once.
for _name in ("clickhouse_connect", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Connection:
    """An open connection. Raises `StoreError` and its kinds from every method."""

    def __init__(self, settings: ClickHouseSettings, *, timeout: float) -> None:
        """Connects. `timeout` bounds each statement, in seconds. Raises `StoreUnavailable` when the server is away,
        and another `StoreError` when it can never work."""
        self._pid = os.getpid()
        self.embedded = settings.embedded_path is not None
        self._timeout = timeout
        self._cluster = QUERY_SETTINGS if settings.cluster is not None else {}
        self._settings = settings
        self._several = not self.embedded and len(settings.server.servers) > 1
        self._lost = False
        self._opened = _open_embedded(settings) if self.embedded else _open_server(settings, timeout)
        try:
            self._check_version()
        except BaseException:
            self.close()
            raise

    def command(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        """Run a statement without a result."""
        self._check_process()
        try:
            self._client.command(sql, settings={**self._cluster, **(settings or {})})
        except Exception as error:
            raise self._failure(error, _verb(sql)) from error

    def query(
        self, sql: str, parameters: Parameters | None = None, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a SELECT. Times are nanoseconds since the epoch, UUIDs are text."""
        self._check_process()
        try:
            result = self._client.query(
                sql,
                parameters=dict(parameters or {}),
                settings={"max_execution_time": max(1, round(self._timeout)), **self._cluster, **(settings or {})},
                query_formats={"DateTime64": "int", "UUID": "string"},
            )
            return [tuple(row) for row in result.result_rows]
        except Exception as error:
            raise self._failure(error, _verb(sql)) from error

    def insert(
        self,
        table: str,
        names: Sequence[str],
        types: Sequence[str],
        columns: Sequence[Sequence[Any]],
        settings: Mapping[str, Any],
    ) -> None:
        """Insert columns in the Native format. `table` is a quoted, qualified name."""
        self._check_process()
        try:
            if _native is not None and _native.writes(types):
                self._insert_block(table, names, _native.block(names, types, columns), settings)
            else:
                self._client.insert(
                    table,
                    columns,
                    column_names=names,
                    column_types=[get_from_name(name) for name in types],
                    column_oriented=True,
                    settings=dict(settings),
                )
        except Exception as error:
            raise self._failure(error, f"insert into {table}") from error

    def _insert_block(self, table: str, names: Sequence[str], block: bytes, settings: Mapping[str, Any]) -> None:
        if self.embedded:
            self._client.raw_insert(table, names, block, dict(settings), "Native")
            return
        # As the driver sends its own blocks: the statement in front, all in one compressed body.
        statement = f"INSERT INTO {table} ({', '.join(map(identifier, names))}) FORMAT Native\n"
        compression = self._client.write_compression
        compressor: Any = get_compressor(compression)
        body = compressor.compress_block(statement.encode() + block) + (compressor.flush() or b"")
        self._client.raw_insert("", None, body, dict(settings), "Native", compression)

    def close(self) -> None:
        """Close the connection. Never raises."""
        try:
            self._opened.close()
        except Exception:
            logging.getLogger(__name__).debug("closing failed", exc_info=True)
        finally:
            if self.embedded:
                embedded.release()

    @property
    def _client(self) -> Client:
        """The client; of the first server that answers, where there are several and the last one went away."""
        if self._lost:
            fresh = _open_server(self._settings, self._timeout)
            stale, self._opened, self._lost = self._opened, fresh, False
            stale.close()
        return self._opened

    def _failure(self, error: Exception, doing: str) -> StoreError:
        found = translate(error, doing)
        if self._several and type(found) is StoreUnavailable and getattr(error, "code", None) is None:
            self._lost = True
        return found

    def _check_process(self) -> None:
        if self.embedded:
            embedded.check_process(self._pid)

    def _check_version(self) -> None:
        version = self._client.server_version or ""
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < OLDEST_VERSION:
            raise StoreError(f"ClickHouse {version} is too old; expected {'.'.join(map(str, OLDEST_VERSION))} or newer")


def _open_embedded(settings: ClickHouseSettings) -> Client:
    embedded.require_chdb()
    own = settings.embedded
    with embedded.opening(settings.embedded_path or "") as folder:
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=str(folder),
                chdb_options=embedded.options(own.memory_limit_mib, own.mark_cache_mib, own.background_threads),
                show_clickhouse_errors="scrub",
            )
        except Exception as error:
            raise StoreError(
                f"the embedded store {folder} cannot be opened ({translate(error, 'open')}); "
                "either another process holds it or its files are damaged"
            ) from error


def _open_server(settings: ClickHouseSettings, timeout: float) -> Client:
    """A client of the first server that answers."""
    servers = settings.server.tried()
    for server in servers[:-1]:
        try:
            return _open_at(server, settings, timeout)
        except StoreUnavailable:
            continue
    return _open_at(servers[-1], settings, timeout)


def _open_at(server: Server, settings: ClickHouseSettings, timeout: float) -> Client:
    endpoint, tls = settings.server, settings.tls
    scheme, where = "https" if endpoint.secure else "http", f"{server.host}:{server.port}"
    dial_timeout = endpoint.options.get("dial_timeout")
    connect_timeout = parse_duration(dial_timeout) if dial_timeout else settings.connect_timeout
    for name, path in (("ca_file", tls.ca_file), ("cert_file", tls.cert_file), ("key_file", tls.key_file)):
        if path is not None and not os.access(path, os.R_OK):
            raise StoreError(f"tls::{name}: cannot read {path}")
    try:
        return clickhouse_connect.get_client(
            interface=scheme,
            host=server.host,
            port=server.port,
            proxy_path=endpoint.path,
            username=settings.username,
            password=settings.password.get_secret_value(),
            verify=not (tls.insecure_skip_verify or endpoint.option("skip_verify")),
            ca_cert=tls.ca_file,
            client_cert=tls.cert_file,
            client_cert_key=tls.key_file,
            server_host_name=tls.server_name_override,
            # Whole seconds are all the driver takes.
            connect_timeout=max(1, round(connect_timeout)),
            # The server ends a statement itself; one that hangs is given up a little later.
            send_receive_timeout=max(1, round(timeout)) + min(5, max(1, round(timeout))),
            query_retries=0,
            compress=settings.compression or False,
            autogenerate_session_id=False,
            form_encode_query_params=True,
            client_name="spanledger",
            show_clickhouse_errors="scrub",
            dedicated_pool=True,
        )
    except Exception as error:
        found = translate(error, f"connect to {scheme}://{where}")
        if isinstance(found, LoginRefused):
            raise LoginRefused(f"{where} refuses the user {settings.username!r} or its password") from error
        raise found from error


def _verb(sql: str) -> str:
    return sql.split(None, 1)[0].lower()
