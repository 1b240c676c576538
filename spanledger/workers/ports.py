"""The ports that the workers share, held by the supervisor as long as it lives."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from spanledger.config import Config, InvalidConfiguration, Kind, Problem
from spanledger.config.ids import parse_id
from spanledger.config.rules import HEALTH_CHECK, listeners
from spanledger.errors import ConfigError
from spanledger.receiver.listen import bind
from spanledger.settings import split_endpoint


@dataclass(slots=True)
class SharedPorts:
    """Bound, and listened on by nobody: the kernel gives connections to the workers, which bind the same ports."""

    addresses: Mapping[tuple[str, ...], str]
    """Key path → `host:port`, with the port that was taken for port 0."""
    _sockets: list[socket.socket] = field(default_factory=list)

    def settings(self) -> list[str]:
        """For `--set`: what every worker listens on."""
        return [f"{'::'.join(path)}={address}" for path, address in self.addresses.items()]

    def close(self) -> None:
        """Let the ports go."""
        for held in self._sockets:
            held.close()


async def share_ports(config: Config) -> SharedPorts:
    """Take every port that workers listen on. Raises `InvalidConfiguration` with all that cannot be had."""
    addresses: dict[tuple[str, ...], str] = {}
    sockets: list[socket.socket] = []
    problems: list[Problem] = []
    for path, address in listeners(config):
        if path[0] == Kind.EXTENSIONS and parse_id(path[1]).type == HEALTH_CHECK:
            continue  # the supervisor's own
        host, port = split_endpoint(address)
        try:
            # Not shared at first: another spanledger that shares the port would not be noticed otherwise.
            alone = await bind(host, port)
            port = alone[0].getsockname()[1]
            for one in alone:
                one.close()
            sockets += await bind(host, port, reuse_port=True)
        except ConfigError as error:
            expected = "an address of this machine that no other process listens on"
            problems.append(Problem(path, str(error), config.origin(*path), address, expected))
            continue
        addresses[path] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ports = SharedPorts(addresses, sockets)
    if problems:
        ports.close()
        raise InvalidConfiguration(problems)
    return ports
