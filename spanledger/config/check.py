"""A merged and expanded tree into a `Config`: every component's settings, then everything that refers to them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from spanledger.config.components import INSTEAD, Component, Kind, Registry
from spanledger.config.fields import Path, build, show
from spanledger.config.ids import ComponentId, parse_id
from spanledger.config.mapping import MappingSettings
from spanledger.config.model import Config, PipelineConfig, PipelineId, ReloadSettings
from spanledger.config.problem import InvalidConfiguration, Problem, nearest, one_of
from spanledger.config.rules import problems_between
from spanledger.config.tree import Mapping, Node, Scalar, origin_of
from spanledger.model.received import Signal
from spanledger.settings import Settings
from spanledger.telemetry.settings import TelemetrySettings


class PipelineSection(Settings):
    """`service::pipelines::<id>` as written."""

    receivers: list[str] | None = None
    processors: list[str] | None = None
    exporters: list[str] | None = None


class ServiceSection(Settings):
    """`service` as written."""

    extensions: list[str] | None = None
    pipelines: dict[str, PipelineSection] | None = None
    mapping: MappingSettings = MappingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    workers: int = Field(default=1, ge=1, le=256)
    reload: ReloadSettings = ReloadSettings()


def check(root: Node, registry: Registry, warnings: Iterable[str] = (), problems: Iterable[Problem] = ()) -> Config:
    """The configuration of a tree. Raises `InvalidConfiguration` with `problems` and every mistake found here."""
    before = list(problems)
    checker = _Checker(root, registry)
    config = checker.run(tuple(warnings))
    # A value that could not be expanded is null in the tree: what follows from that is no news.
    known = {problem.path for problem in before}
    found = [*before, *(problem for problem in checker.problems if problem.path not in known)]
    if config is not None and not found:
        found = list(problems_between(config, registry))
    if config is None or found:
        raise InvalidConfiguration(sorted(found, key=_position))
    return config


def _position(problem: Problem) -> tuple[str, int, int]:
    origin = problem.origin
    return (origin.source, origin.line, origin.column) if origin else ("", 0, 0)


class _Checker:
    def __init__(self, root: Node, registry: Registry) -> None:
        self.root = root
        self.registry = registry
        self.problems: list[Problem] = []
        self.components: dict[Kind, dict[ComponentId, BaseModel]] = {kind: {} for kind in Kind}
        self.written: dict[Kind, dict[ComponentId, str]] = {kind: {} for kind in Kind}
        """Every id that is configured, with or without mistakes, as it is spelled in the file."""

    def run(self, warnings: tuple[str, ...]) -> Config | None:
        root = self.root
        if isinstance(root, Scalar) and root.value is None:
            self.add((), "empty configuration file")
            return None
        if not isinstance(root, Mapping):
            self.add((), "cannot be used", found=show(root, ""), expected="a map")
            return None
        sections = [*Kind, "service"]
        for key in root.entries:
            if key not in sections:
                text = f"'' has invalid keys: {key}"
                self.add((key,), text, found=key, expected=one_of(sections), did_you_mean=nearest(key, sections))
        for kind in Kind:
            self.section(kind, root.entries.get(kind))
        for kind in (Kind.RECEIVERS, Kind.EXPORTERS):
            if not self.written[kind]:
                self.add((kind,), f"no {kind.singular} configuration specified in config")
        return self.service(root.entries.get("service"), warnings)

    def section(self, kind: Kind, node: Node | None) -> None:
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return
        if not isinstance(node, Mapping):
            self.add((kind,), "cannot be used", found=show(node, kind), expected=f"a map of {kind}")
            return
        for key, settings in node.entries.items():
            id_ = self.identify((kind, key), key)
            if id_ is None:
                continue
            if id_ in self.written[kind]:
                self.add((kind, key), f'duplicate id "{id_}"; it stands as "{self.written[kind][id_]}" before')
                continue
            self.written[kind][id_] = key
            component = self.known(kind, key, id_)
            if component is not None:
                whole = _long_form(settings, component)
                built = build(component.settings, whole, (kind, key), self.root, self.problems)
                if built is not None:
                    self.components[kind][id_] = built

    def known(self, kind: Kind, key: str, id_: ComponentId) -> Component | None:
        types = self.registry[kind]
        if id_.type in types:
            return types[id_.type]
        text = f'unknown type: "{id_.type}" for id: "{id_}" (valid values: [{" ".join(sorted(types))}])'
        guess = nearest(id_.type, types)
        if hint := INSTEAD.get((kind, id_.type)):
            text, guess = f"{text}; {hint}", None
        self.add(
            (kind, key),
            text,
            found=id_.type,
            expected=one_of(types) if types else f"no {kind}: there are none",
            did_you_mean=guess,
        )
        return None

    def service(self, node: Node | None, warnings: tuple[str, ...]) -> Config | None:
        if node is None:
            self.add(("service",), "service must have at least one pipeline")
            return None
        section = build(ServiceSection, node, ("service",), self.root, self.problems)
        if section is None:
            return None
        extensions = self.references(("service", "extensions"), Kind.EXTENSIONS, section.extensions)
        if not section.pipelines:
            self.add(("service", "pipelines"), "service must have at least one pipeline")
        pipelines: dict[PipelineId, PipelineConfig] = {}
        for key, pipeline in (section.pipelines or {}).items():
            id_ = self.pipeline_id(key)
            config = self.pipeline(("service", "pipelines", key), pipeline)
            if id_ is not None:
                pipelines[id_] = config
        return Config(
            self.components,
            extensions,
            pipelines,
            section.mapping,
            section.telemetry,
            self.root,
            warnings,
            section.workers,
            section.reload,
        )

    def pipeline_id(self, key: str) -> PipelineId | None:
        path = ("service", "pipelines", key)
        id_ = self.identify(path, key)
        if id_ is None:
            return None
        if id_.type == "profiles":
            self.add(path, "profiles are not supported", found=key, expected=one_of(Signal))
            return None
        if id_.type not in list(Signal):
            text = f'unknown pipeline signal: "{id_.type}"'
            self.add(path, text, found=key, expected=one_of(Signal), did_you_mean=nearest(id_.type, Signal))
            return None
        return PipelineId(Signal(id_.type), id_.name)

    def pipeline(self, path: Path, section: PipelineSection) -> PipelineConfig:
        if not section.receivers:
            self.add(path, "must have at least one receiver")
        if not section.exporters:
            self.add(path, "must have at least one exporter")
        receivers, sources = self.connected((*path, "receivers"), Kind.RECEIVERS, section.receivers)
        exporters, targets = self.connected((*path, "exporters"), Kind.EXPORTERS, section.exporters)
        processors = self.references((*path, "processors"), Kind.PROCESSORS, section.processors)
        return PipelineConfig(receivers, processors, exporters, sources, targets)

    def connected(
        self, path: Path, kind: Kind, names: list[str] | None
    ) -> tuple[tuple[ComponentId, ...], tuple[ComponentId, ...]]:
        """(components, connectors) of a list that may name both."""
        found = self.references(path, kind, names)
        connectors = tuple(id_ for id_ in found if id_ in self.written[Kind.CONNECTORS])
        for id_ in connectors:
            if id_ in self.written[kind]:
                text = f'ambiguous ID: found both "{id_}" {kind.singular} and "{id_}" connector'
                self.add((Kind.CONNECTORS, self.written[Kind.CONNECTORS][id_]), f"{text}; give one of them a name")
        return tuple(id_ for id_ in found if id_ not in connectors), connectors

    def references(self, path: Path, kind: Kind, names: list[str] | None) -> tuple[ComponentId, ...]:
        """Ids of a list that names components. A pipeline's complaint stands at the pipeline, as in the Collector."""
        subject = path[:-1] if path[1] == "pipelines" else path
        found: list[ComponentId] = []
        for position, name in enumerate(names or ()):
            place = (*path, str(position))
            id_ = self.identify(place, name)
            if id_ is None:
                continue
            if id_ in found:
                self.add(subject, f'references {kind.singular} "{id_}" multiple times', at=place)
                continue
            found.append(id_)
            may_connect = kind in (Kind.RECEIVERS, Kind.EXPORTERS)
            if id_ not in self.written[kind] and not (may_connect and id_ in self.written[Kind.CONNECTORS]):
                configured = self.written[kind].values()
                self.add(
                    subject,
                    f'references {kind.singular} "{id_}" which is not configured',
                    at=place,
                    found=name,
                    expected=one_of(configured) if configured else f"an id that stands in {kind}",
                    did_you_mean=nearest(name, configured),
                )
        return tuple(found)

    def identify(self, path: Path, text: str) -> ComponentId | None:
        try:
            return parse_id(text)
        except ValueError as error:
            self.add(path, str(error), found=text, expected="type or type/name")
            return None

    def add(
        self,
        path: Path,
        message: str,
        *,
        at: Path | None = None,
        found: str | None = None,
        expected: str | None = None,
        did_you_mean: str | None = None,
    ) -> None:
        origin = origin_of(self.root, at if at is not None else path)
        self.problems.append(Problem(path, message, origin, found, expected, did_you_mean))


def _long_form(node: Node, component: Component) -> Node:
    """The section that a plain text stands for, where a component's settings name the key that it means."""
    shorthand: str | None = getattr(component.settings, "shorthand", None)
    if shorthand is None or not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    return Mapping({shorthand: node}, {shorthand: node.origin}, node.origin)
