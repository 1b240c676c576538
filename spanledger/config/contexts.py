"""What a configuration looks at of requests besides their telemetry: headers, who sent them, from where."""

from __future__ import annotations

from collections.abc import Iterator

from spanledger.clients.auth import ClientAuthSettings
from spanledger.clients.headers_setter import HeadersSetterSettings
from spanledger.config.components import Kind
from spanledger.config.connectors import RoutingSettings
from spanledger.config.model import Config
from spanledger.config.rules import additional_auth, used
from spanledger.model.context import METADATA, ContextUse, canonical
from spanledger.processors.attributes import ActionSettings, AttributesSettings, ResourceSettings
from spanledger.receiver.settings import OtlpReceiverSettings, ServerSettings


def contexts_used(config: Config) -> ContextUse:
    """For receivers: which contexts are worth making, and what of them goes into the log."""
    kept = frozenset(key for keys in _of_exporters(config).values() for key in keys)
    return ContextUse(bool(_of_processors(config)), kept)


def contexts_without_effect(config: Config) -> Iterator[str]:
    """Headers that are asked for and not shown, and the other way round, one line each."""
    wanted = {**_of_processors(config), **_of_exporters(config)}
    headers = {path: keys for path, keys in wanted.items() if any(key.startswith(METADATA) for key in keys)}
    showing: list[str] = []
    shown = False
    for id_, settings in used(config, Kind.RECEIVERS).items():
        if not isinstance(settings, OtlpReceiverSettings):
            continue
        protocols = {"grpc": settings.protocols.grpc, "http": settings.protocols.http}
        for name, protocol in protocols.items():
            if isinstance(protocol, ServerSettings):
                shown = shown or protocol.include_metadata
                if protocol.include_metadata and not headers:
                    showing.append(f"{Kind.RECEIVERS}::{id_}::protocols::{name}::include_metadata")
    yield from (f"{path} has no effect; no from_context looks at headers" for path in showing)
    if not shown:
        yield from (f"{path} finds no headers; no receiver has include_metadata: true" for path in headers)


def _of_processors(config: Config) -> dict[str, list[str]]:
    """Key path of what looks at contexts before the log → what of them."""
    found: dict[str, list[str]] = {}
    for id_, settings in used(config, Kind.PROCESSORS).items():
        name, actions = "", tuple[ActionSettings, ...]()
        if isinstance(settings, AttributesSettings):
            name, actions = "actions", settings.actions
        elif isinstance(settings, ResourceSettings):
            name, actions = "attributes", settings.attributes
        for position, action in enumerate(actions):
            if action.from_context is not None:
                path = f"{Kind.PROCESSORS}::{id_}::{name}::{position}::from_context"
                found[path] = [canonical(action.from_context)]
    connectors = {name for pipeline in config.pipelines.values() for name in pipeline.sources}
    for id_, settings in config.components[Kind.CONNECTORS].items():
        if isinstance(settings, RoutingSettings) and id_ in connectors:
            for position, row in enumerate(settings.table):
                if row.context == "request":
                    found[f"{Kind.CONNECTORS}::{id_}::table::{position}::condition"] = [METADATA]
    return found


def _of_exporters(config: Config) -> dict[str, list[str]]:
    """The same of what looks at them behind the log: extensions that exporters take headers of."""
    extensions = {str(id_): settings for id_, settings in used(config, Kind.EXTENSIONS).items()}
    waiting: list[str] = []
    for settings in used(config, Kind.EXPORTERS).values():
        auth = getattr(settings, "auth", None)
        if isinstance(auth, ClientAuthSettings):
            waiting.append(auth.authenticator)
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        extension = extensions.get(name)
        if name in seen or not isinstance(extension, HeadersSetterSettings):
            continue
        seen.add(name)
        if (before := additional_auth(extension)) is not None:
            waiting.append(before)
        for position, header in enumerate(extension.headers):
            if header.action != "delete" and header.context_key is not None:
                path = f"{Kind.EXTENSIONS}::{name}::headers::{position}::from_context"
                found[path] = [header.context_key]
    return found
