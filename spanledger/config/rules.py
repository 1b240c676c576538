"""What no single component can check: things that two sections say about each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from pydantic import BaseModel

from spanledger.access.settings import AuthSettings, BasicAuthSettings, ProjectsSettings
from spanledger.clients.auth import ClientAuthSettings
from spanledger.clients.headers_setter import HeadersSetterSettings
from spanledger.config.components import Kind, Registry
from spanledger.config.ids import ComponentId, parse_id
from spanledger.config.model import Config
from spanledger.config.problem import Problem, nearest, one_of
from spanledger.config.ways import problems_of_connectors
from spanledger.receiver.listen import UNIX

FILE_STORAGE = "file_storage"
PROJECTS = "projects"
API = "api"
HEALTH_CHECK = "health_check"
ZPAGES = "zpages"
MAINTENANCE = "maintenance"


class _Api(Protocol):
    exporter: str | None


def problems_between(config: Config, registry: Registry) -> Iterator[Problem]:
    """Every contradiction between components that are used."""
    yield from _ids_of_prices(config)
    yield from _one_log(config)
    yield from _storage_of_queues(config)
    yield from _stores_of_apis(config, registry)
    yield from _authenticators(config, registry)
    yield from _credentials(config, registry)
    yield from _stores_of_keys(config, registry)
    yield from problems_of_connectors(config)
    yield from _endpoints(config)
    yield from _embedded_stores(config)
    yield from _stores_of_workers(config)
    yield from _sockets_of_workers(config)


def used(config: Config, kind: Kind) -> dict[ComponentId, BaseModel]:
    """Settings of the components that a pipeline or `service::extensions` names, in the order of the configuration."""
    if kind is Kind.EXTENSIONS:
        names = set(config.extensions)
    else:
        names = {id_ for pipeline in config.pipelines.values() for id_ in getattr(pipeline, kind.value)}
    return {id_: settings for id_, settings in config.components[kind].items() if id_ in names}


def readable_exporters(config: Config, registry: Registry) -> list[ComponentId]:
    """Exporters in use whose runs can be read."""
    known = registry[Kind.EXPORTERS]
    return [id_ for id_ in used(config, Kind.EXPORTERS) if known[id_.type].store_at]


def store_of_api(config: Config, registry: Registry, settings: _Api) -> ComponentId:
    """The exporter whose store an `api` extension reads. The configuration was checked."""
    if settings.exporter is not None:
        return parse_id(settings.exporter)
    return readable_exporters(config, registry)[0]


def _ids_of_prices(config: Config) -> Iterator[Problem]:
    """A cost names the price that it was made with."""
    first: dict[str, int] = {}
    for position, price in enumerate(config.mapping.prices):
        before = first.setdefault(price.id, position)
        if before != position:
            path = ("service", "mapping", "prices", str(position), "id")
            line = config.origin(*path[:3], str(before), "id")
            yield Problem(path, f'id "{price.id}" stands at {line} before', config.origin(*path), price.id)


def _one_log(config: Config) -> Iterator[Problem]:
    logs = [id_ for id_ in config.extensions if id_.type == FILE_STORAGE]
    for position, id_ in enumerate(config.extensions):
        if id_ in logs[1:]:
            path = ("service", "extensions")
            text = f'references a second {FILE_STORAGE}, "{id_}"; there is one log'
            yield Problem(path, text, config.origin(*path, str(position)), expected=str(logs[0]))


def _storage_of_queues(config: Config) -> Iterator[Problem]:
    logs = [str(id_) for id_ in config.extensions if id_.type == FILE_STORAGE]
    for id_, settings in used(config, Kind.EXPORTERS).items():
        queue: Any = getattr(settings, "sending_queue", None)
        if queue is not None and queue.storage is not None and queue.storage not in logs:
            path = (Kind.EXPORTERS, str(id_), "sending_queue", "storage")
            yield Problem(
                path,
                f'references extension "{queue.storage}" which is not in service::extensions',
                config.origin(*path),
                queue.storage,
                one_of(logs) if logs else f"a {FILE_STORAGE} extension",
                nearest(queue.storage, logs),
            )


def _stores_of_apis(config: Config, registry: Registry) -> Iterator[Problem]:
    readable = [str(id_) for id_ in readable_exporters(config, registry)]
    types = [component.type for component in registry[Kind.EXPORTERS].values() if component.store_at]
    for id_, settings in used(config, Kind.EXTENSIONS).items():
        if id_.type != API:
            continue
        wanted: str | None = getattr(settings, "exporter", None)
        path = (Kind.EXTENSIONS, str(id_), "exporter")
        if wanted is None and not readable:
            text = "no pipeline has an exporter whose runs can be read"
            yield Problem(path, text, config.origin(*path), expected=one_of(types))
        elif wanted is not None and wanted not in readable:
            yield Problem(
                path,
                f'references exporter "{wanted}", which no pipeline names or whose runs cannot be read',
                config.origin(*path),
                wanted,
                one_of(readable) if readable else one_of(types),
                nearest(wanted, readable),
            )


def authenticating(config: Config, registry: Registry) -> list[ComponentId]:
    """Extensions in use that know callers, or what exporters send."""
    known = registry[Kind.EXTENSIONS]
    return [id_ for id_ in used(config, Kind.EXTENSIONS) if known[id_.type].authenticates or known[id_.type].lends]


def default_authenticator(config: Config) -> ComponentId | None:
    """Who knows the callers of a protocol or an API that names no `auth`: the only `projects` in use."""
    found = [id_ for id_ in config.extensions if id_.type == PROJECTS]
    return found[0] if len(found) == 1 else None


def _authenticators(config: Config, registry: Registry) -> Iterator[Problem]:
    known = [str(id_) for id_ in used(config, Kind.EXTENSIONS) if registry[Kind.EXTENSIONS][id_.type].authenticates]
    types = [component.type for component in registry[Kind.EXTENSIONS].values() if component.authenticates]
    several = len([id_ for id_ in config.extensions if id_.type == PROJECTS]) > 1
    for kind in (Kind.RECEIVERS, Kind.EXTENSIONS):
        for id_, settings in used(config, kind).items():
            for path, auth in _auths(settings, (kind, str(id_))):
                if auth is None and several:
                    yield Problem(path, "several projects extensions are in use; say which", config.origin(*path))
                elif auth is not None and auth.authenticator not in known:
                    path = (*path, "authenticator")
                    text = f'references extension "{auth.authenticator}", which is not in service::extensions'
                    if auth.authenticator in map(str, config.extensions):
                        text = f'references extension "{auth.authenticator}", which knows no keys'
                    yield Problem(
                        path,
                        text,
                        config.origin(*path),
                        auth.authenticator,
                        one_of(known) if known else one_of(types),
                        nearest(auth.authenticator, known),
                    )


def _auths(settings: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], AuthSettings | None]]:
    """(key path, value) of every `auth` of a receiver or an extension."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "auth" and isinstance(value, AuthSettings | None):
            yield (*path, name), value
        elif isinstance(value, BaseModel):
            yield from _auths(value, (*path, name))


def _credentials(config: Config, registry: Registry) -> Iterator[Problem]:
    """Extensions that exporters take credentials of, and those that add to what others give."""
    extensions = used(config, Kind.EXTENSIONS)
    lending = [
        str(id_)
        for id_, settings in extensions.items()
        if registry[Kind.EXTENSIONS][id_.type].lends
        and not (isinstance(settings, BasicAuthSettings) and settings.client_auth is None)
    ]
    types = [component.type for component in registry[Kind.EXTENSIONS].values() if component.lends]
    references: list[tuple[tuple[str, ...], str]] = []
    for id_, settings in used(config, Kind.EXPORTERS).items():
        auth = getattr(settings, "auth", None)
        if isinstance(auth, ClientAuthSettings):
            references.append(((Kind.EXPORTERS, str(id_), "auth", "authenticator"), auth.authenticator))
    for id_, settings in extensions.items():
        if (before := additional_auth(settings)) is not None:
            references.append(((Kind.EXTENSIONS, str(id_), "additional_auth"), before))
    for path, name in references:
        if name in lending:
            continue
        text = f'references extension "{name}", which is not in service::extensions'
        if name in map(str, config.extensions):
            text = f'references extension "{name}", which has no credentials to send'
        expected = one_of(lending) if lending else one_of(types)
        yield Problem(path, text, config.origin(*path), name, expected, nearest(name, lending))
    followed = {str(id_): additional_auth(settings) for id_, settings in extensions.items()}
    for name, before in followed.items():
        passed = {name}
        while before is not None and before not in passed:
            passed.add(before)
            before = followed.get(before)
        if before == name:
            path = (Kind.EXTENSIONS, name, "additional_auth")
            text = "leads back to this extension"
            yield Problem(path, text, config.origin(*path), followed[name], "an extension that adds to no other")


def additional_auth(settings: BaseModel) -> str | None:
    """The extension whose headers another one adds to."""
    return settings.additional_auth if isinstance(settings, HeadersSetterSettings) else None


def _stores_of_keys(config: Config, registry: Registry) -> Iterator[Problem]:
    stores = [str(id_) for id_ in used(config, Kind.EXPORTERS) if registry[Kind.EXPORTERS][id_.type].admin_at]
    types = [component.type for component in registry[Kind.EXPORTERS].values() if component.admin_at]
    for id_, settings in used(config, Kind.EXTENSIONS).items():
        if isinstance(settings, ProjectsSettings) and settings.store is not None and settings.store not in stores:
            path = (Kind.EXTENSIONS, str(id_), "store")
            text = f'references exporter "{settings.store}", which no pipeline names or which has no store'
            expected = one_of(stores) if stores else one_of(types)
            yield Problem(path, text, config.origin(*path), settings.store, expected, nearest(settings.store, stores))


def endpoints(settings: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(key path, value) of every address that a receiver or an extension listens on."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "endpoint" and isinstance(value, str):
            yield (*path, name), value
        elif isinstance(value, BaseModel):
            yield from endpoints(value, (*path, name))


def listeners(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """(key path, address) of everything that listens."""
    for kind in (Kind.RECEIVERS, Kind.EXTENSIONS):
        for id_, settings in used(config, kind).items():
            yield from endpoints(settings, (kind, str(id_)))


def _endpoints(config: Config) -> Iterator[Problem]:
    taken: dict[str, tuple[str, ...]] = {}
    for path, address in listeners(config):
        if address.endswith(":0"):
            continue
        folded = address.replace("localhost:", "127.0.0.1:")
        before = taken.setdefault(folded, path)
        if before != path:
            text = f"{address} is taken by {'::'.join(before)}"
            yield Problem(path, text, config.origin(*path), address, "an address of its own")


def _embedded_stores(config: Config) -> Iterator[Problem]:
    """One process can hold one folder of the embedded engine (`spanledger.exporters.clickhouse.embedded`)."""
    first: str | None = None
    for id_, settings in used(config, Kind.EXPORTERS).items():
        folder: str | None = getattr(settings, "embedded_path", None)
        if folder is None:
            continue
        first = first or folder
        if folder != first:
            path = (Kind.EXPORTERS, str(id_), "endpoint")
            text = "a process can hold one embedded store"
            yield Problem(path, text, config.origin(*path), f"chdb://{folder}", f"chdb://{first}")


def _stores_of_workers(config: Config) -> Iterator[Problem]:
    """What only one process can write to."""
    if config.workers == 1:
        return
    path = ("service", "workers")
    for id_, settings in used(config, Kind.EXPORTERS).items():
        if getattr(settings, "embedded_path", None) is not None:
            reason, instead = "keeps its store inside one process", "1, or a store on a server"
        elif id_.type == "file":
            reason, instead = "writes a file that only one process can write", "1, or another exporter"
        else:
            continue
        text = f'cannot be more than 1 with exporter "{id_}", which {reason}'
        yield Problem(path, text, config.origin(*path), str(config.workers), instead)


def _sockets_of_workers(config: Config) -> Iterator[Problem]:
    """Processes share a port, but not a socket in the file system."""
    if config.workers == 1:
        return
    for path, address in listeners(config):
        if address.startswith(UNIX):
            text = f"one process can listen on a socket in the file system, and service::workers is {config.workers}"
            yield Problem(path, text, config.origin(*path), address, "host:port, or one worker")
