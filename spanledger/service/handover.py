"""What goes on as it is when a process takes over another configuration."""

from __future__ import annotations

from collections.abc import Collection

from spanledger.config import ComponentId, Config, Kind
from spanledger.config.components import Registry
from spanledger.config.contexts import contexts_used
from spanledger.config.pipeline import in_flight_bytes, memory_limit
from spanledger.config.rules import authenticating, default_authenticator, used


def same_keys(config: Config, before: Config, registry: Registry) -> bool:
    """Whether the same extensions decide in the same way who may send."""
    return _keys(config, registry) == _keys(before, registry)


def same_receivers(
    config: Config, before: Config, registry: Registry, running: Collection[ComponentId]
) -> set[ComponentId]:
    """Of those that run, the receivers that would be made in the same way again, given the `same_keys`. Those that
    fetch are not among them: they know how far the pipeline behind them has delivered."""
    if _memory(config) != _memory(before) or contexts_used(config) != contexts_used(before):
        return set()
    were = used(before, Kind.RECEIVERS)
    return {
        id_
        for id_, settings in used(config, Kind.RECEIVERS).items()
        if id_ in running
        and not registry[Kind.RECEIVERS][id_.type].fetches
        and settings == were[id_]
        and config.signals_of(id_) == before.signals_of(id_)
    }


def _keys(config: Config, registry: Registry) -> object:
    extensions = used(config, Kind.EXTENSIONS)
    return {id_: extensions[id_] for id_ in authenticating(config, registry)}, default_authenticator(config)


def _memory(config: Config) -> tuple[int, int | None]:
    """What receivers are told of the memory."""
    return in_flight_bytes(config), memory_limit(config)
