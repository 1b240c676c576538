"""Endpoints in every form that the Collector's exporter takes: schemes, several hosts, options behind a question mark.

What is spoken is ClickHouse's HTTP interface. An endpoint of the native protocol on its usual port is taken to mean the
same server's HTTP port.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import sample
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_NATIVE: Final = ("tcp", "clickhouse", "native")
_HTTP_PORT: Final = {9000: 8123, 9440: 8443}
"""Of a server whose native port is this, with the ports that ClickHouse ships with."""
EXPECTED: Final = "expected http://host:8123, https://host:8443 or chdb:///path"
_NOT_SPOKEN: Final = (
    "expected the HTTP interface, such as http://host:8123: the native protocol is not spoken, and only of the ports "
    "9000 and 9440 is it known where the same server listens for HTTP"
)
STRATEGIES: Final = ("in_order", "round_robin", "random")
_TURN: Final = count()
_TRUE: Final = ("1", "true", "t", "yes")
_DRIVER: Final = frozenset(
    {
        *("secure", "skip_verify", "dial_timeout", "compress", "compress_level", "connection_open_strategy"),
        *("max_open_conns", "max_idle_conns", "conn_max_lifetime", "read_timeout", "block_buffer_size"),
        *("max_compression_buffer", "http_proxy", "http_path", "debug", "client_info_product", "tls_config"),
        *("free_buf_on_conn_release", "http_max_conns_per_host"),
    }
)
"""Options of the Go driver; what else stands there is a setting of ClickHouse's."""
_KEPT: Final = frozenset({"secure", "skip_verify", "dial_timeout", "compress", "connection_open_strategy"})
"""Those of them that mean something here."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens for HTTP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of servers, taken apart."""

    secure: bool
    servers: tuple[Server, ...]
    path: str = ""
    """Prefix of a proxy in front, without slashes around it."""
    database: str | None = None
    """Named by an endpoint of the native protocol, behind the host."""
    native: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """For people: the first server, without options."""
        first = self.servers[0]
        host = f"[{first.host}]" if ":" in first.host else first.host
        return f"http{'s' * self.secure}://{host}:{first.port}"

    def tried(self) -> Sequence[Server]:
        """The servers in the order in which a connection is looked for now (`connection_open_strategy`)."""
        match self.options.get("connection_open_strategy"):
            case "random":
                return sample(self.servers, len(self.servers))
            case "round_robin":
                at = next(_TURN) % len(self.servers)
                return self.servers[at:] + self.servers[:at]
            case _:
                return self.servers

    def option(self, name: str) -> bool:
        """Whether a switch among the options is on."""
        return self.options.get(name, "").lower() in _TRUE

    def settings(self) -> dict[str, str]:
        """Options that are settings of ClickHouse's."""
        return {name: value for name, value in self.options.items() if name not in _DRIVER}

    def ignored(self) -> Iterator[str]:
        """Options of the Go driver that change nothing here."""
        yield from sorted(name for name in self.options if name in _DRIVER - _KEPT)


def parse_endpoint(text: str, parameters: Mapping[str, str]) -> Endpoint:
    """An endpoint of servers; `parameters` are `connection_params`, which win over the options in it. Raises
    `ValueError`."""
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in ("http", "https", *_NATIVE):
        raise ValueError(EXPECTED)
    # Every host may have the scheme again: tcp://a:9000,tcp://b:9000.
    parts = urlsplit(f"{scheme}://{rest.replace(f',{scheme}://', ',')}")
    if "@" in parts.netloc:
        raise ValueError("expected no user or password in the endpoint; they have their own keys")
    options = dict(parse_qsl(parts.query, keep_blank_values=True)) | dict(parameters)
    if {"username", "user", "password"} & options.keys():
        raise ValueError("expected no user or password in the endpoint; they have their own keys")
    if parts.fragment:
        raise ValueError(EXPECTED)
    native = scheme in _NATIVE
    secure = scheme == "https" or options.get("secure", "").lower() in _TRUE
    servers = tuple(_server(host, native=native, secure=secure) for host in parts.netloc.split(","))
    path = parts.path.strip("/")
    return Endpoint(
        secure=secure or any(server.port == 8443 for server in servers if native),
        servers=servers,
        path="" if native else path,
        database=path or None if native else None,
        native=native,
        options=options,
    )


def _server(netloc: str, *, native: bool, secure: bool) -> Server:
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(EXPECTED) from None
    if not host:
        raise ValueError(EXPECTED)
    if native and port is not None:
        if port not in _HTTP_PORT:
            raise ValueError(_NOT_SPOKEN)
        port = _HTTP_PORT[port]
    return Server(host, port or (8443 if secure else 8123))
