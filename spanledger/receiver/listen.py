"""Binding the addresses behind a host name, and sockets in the file system."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from spanledger.errors import ConfigError
from spanledger.settings import split_endpoint

UNIX: Final = "unix:"
"""How an endpoint begins that is a socket in the file system; its path follows."""
_OPEN_FILES = 65_536
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_BACKLOG: Final = 1024
"""Connections that the kernel holds until they are accepted: bursts of reconnecting senders are larger than 100."""
_CONNECTIONS: Final = 10_000


class Listeners:
    """What a server listens on."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._path: str | None = None
        """Of the socket in the file system that is ours."""
        self.address: str | None = None
        """`host:port` or `unix:/path`, once open."""

    async def open(
        self, endpoint: str, connection: Callable[[], asyncio.Protocol], *, reuse_port: bool, **options: Any
    ) -> None:
        """Listen on every address of an endpoint; `connection` serves a new one, `options` are asyncio's. Raises
        `ConfigError`."""
        loop = asyncio.get_running_loop()
        options = {"backlog": _BACKLOG, **options}
        if endpoint.startswith(UNIX):
            path = endpoint.removeprefix(UNIX)
            self._servers.append(await loop.create_unix_server(connection, sock=bind_unix(path), **options))
            self._path = path
            self.address = endpoint
            return
        host, port = split_endpoint(endpoint)
        sockets = await bind(host, port, reuse_port=reuse_port)
        for listening in sockets:
            self._servers.append(await loop.create_server(connection, sock=listening, **options))
        self.address = address_of(sockets[0])

    def close(self) -> None:
        """Take no new connections."""
        for server in self._servers:
            server.close()
        if self._path is not None:
            remove_socket(self._path)


async def bind(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Sockets bound to every address of a host ("" = all interfaces), all on one port, also where it is 0.

    `localhost` names ::1 in containers that have no IPv6; an address that this machine does not have is skipped as
    long as another one works. Raises `ConfigError`.
    """
    shown = f"{host or '*'}:{port}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as problem:
        raise ConfigError(f"cannot listen on {shown}: {problem.strerror}") from None
    bound: list[socket.socket] = []
    skipped: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        if port == 0 and bound:
            address = (address[0], bound[0].getsockname()[1], *address[2:])
        try:
            bound.append(_bound(socket.socket(family, kind, protocol), address, reuse_port))
        except OSError as problem:
            if problem.errno in _NOT_HERE:
                skipped = problem
                continue
            for other in bound:
                other.close()
            raise ConfigError(f"cannot listen on {shown}: {_reason(problem)}") from None
    if not bound:
        raise ConfigError(f"cannot listen on {shown}: {_reason(skipped)}")
    return bound


def bind_unix(path: str) -> socket.socket:
    """A socket bound to a path; one that a process left behind which is no more is replaced. Raises `ConfigError`."""
    make_way(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        bound.setblocking(False)
    except OSError as problem:
        bound.close()
        raise ConfigError(f"cannot listen on {UNIX}{path}: {_reason(problem)}") from None
    return bound


def make_way(path: str) -> None:
    """Remove a socket that nobody listens on. Raises `ConfigError` where somebody does, or where it is no socket:
    asyncio would take the path away from its owner."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ConfigError(f"cannot listen on {UNIX}{path}: there is a file of this name")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.settimeout(1)
            other.connect(path)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        remove_socket(path)
        return
    except OSError as problem:
        raise ConfigError(f"cannot listen on {UNIX}{path}: {_reason(problem)}") from None
    raise ConfigError(f"cannot listen on {UNIX}{path}: another process listens there")


def remove_socket(path: str) -> None:
    """Take a socket out of the file system, if it is there."""
    with suppress(OSError):
        os.unlink(path)


def address_of(listening: socket.socket) -> str:
    """`host:port` of a bound socket, an IPv6 host in brackets."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host to listen on."""
    return host in ("localhost", "::1") or host.startswith("127.")


def open_files() -> int:
    """Open files and connections that this process may have. Raised as far as that is allowed: 1024, where most
    systems begin, are fewer than the connections of a company."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        wanted = min(hard, _OPEN_FILES) if hard != resource.RLIM_INFINITY else _OPEN_FILES
        if wanted > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError):  # macOS has a bound below what it tells
                return soft
            return wanted
    return soft


def connections_at_most() -> int:
    """Of one listener, where nobody sets a bound."""
    return max(min(_CONNECTIONS, open_files() // 2), 1)


def _bound(unbound: socket.socket, address: tuple[object, ...], reuse_port: bool) -> socket.socket:
    try:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if unbound.family == socket.AF_INET6:
            unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        unbound.bind(address)
        unbound.setblocking(False)
    except OSError:
        unbound.close()
        raise
    return unbound


def _reason(problem: OSError | None) -> str:
    if problem is None or problem.errno is None:
        return "it has no address"
    if problem.errno == errno.EADDRINUSE:
        return "another process listens there"
    return os.strerror(problem.errno)
