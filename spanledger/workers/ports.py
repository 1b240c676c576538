"""The ports that the workers share, held by the supervisor as long as it lives."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanledger.config import Config, InvalidConfiguration, Kind, Problem
from spanledger.config.ids import parse_id
from spanledger.config.rules import HEALTH_CHECK, listeners
from spanledger.errors import ConfigError
from spanledger.receiver.listen import bind
from spanledger.settings import split_endpoint


@dataclass(frozen=True, slots=True)
class _Port:
    wanted: str
    """As configured."""
    address: str
    """`host:port`, with the port that was taken for port 0."""
    sockets: Sequence[socket.socket]

    def close(self) -> None:
        for held in self.sockets:
            held.close()


@dataclass(frozen=True, slots=True)
class SharedPorts:
    """Bound, and listened on by nobody: the kernel gives connections to the workers, which bind the same ports."""

    _ports: Mapping[tuple[str, ...], _Port]

    def settings(self) -> list[str]:
        """For `--set`: what every worker listens on."""
        return [f"{'::'.join(path)}={port.address}" for path, port in self._ports.items()]

    def close(self, but: SharedPorts | None = None) -> None:
        """Let the ports go, but for those that others hold, too."""
        kept = set() if but is None else {id(port) for port in but._ports.values()}
        for port in self._ports.values():
            if id(port) not in kept:
                port.close()


async def share_ports(config: Config, before: SharedPorts | None = None) -> SharedPorts:
    """Take every port that workers listen on; what is configured as `before` stays as it is. Raises
    `InvalidConfiguration` with all that cannot be had."""
    held = before._ports if before is not None else {}
    ports: dict[tuple[str, ...], _Port] = {}
    problems: list[Problem] = []
    for path, address in listeners(config):
        if path[0] == Kind.EXTENSIONS and parse_id(path[1]).type == HEALTH_CHECK:
            continue  # the supervisor's own
        if path in held and held[path].wanted == address:
            ports[path] = held[path]
            continue
        try:
            ports[path] = await _take(address)
        except ConfigError as error:
            expected = "an address of this machine that no other process listens on"
            problems.append(Problem(path, str(error), config.origin(*path), address, expected))
    shared = SharedPorts(ports)
    if problems:
        shared.close(but=before)
        raise InvalidConfiguration(problems)
    return shared


async def _take(address: str) -> _Port:
    host, port = split_endpoint(address)
    # Not shared at first: another spanledger that shares the port would not be noticed otherwise.
    alone = await bind(host, port)
    port = alone[0].getsockname()[1]
    for one in alone:
        one.close()
    sockets = await bind(host, port, reuse_port=True)
    return _Port(address, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", sockets)
