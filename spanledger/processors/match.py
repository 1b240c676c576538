"""`include` and `exclude` of the attributes, filter and other processors (processor/attributesprocessor)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from spanledger.model.received import Signal
from spanledger.processors.ottl.paths import Item
from spanledger.processors.ottl.patterns import compiled
from spanledger.processors.values import find, plain, text_of
from spanledger.settings import Settings

_KINDS = {
    "SPAN_KIND_INTERNAL": 1,
    "SPAN_KIND_SERVER": 2,
    "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5,
}


class AttributeMatch(Settings):
    key: str = Field(min_length=1)
    """Key of the attribute."""
    value: Any = None
    """Value, or pattern of its text with `match_type: regexp`. Left out: any."""


class LibraryMatch(Settings):
    name: str
    """Name of the instrumentation scope."""
    version: str | None = None
    """Its version. Left out: any."""


class SeverityMatch(Settings):
    min: int = Field(ge=0, le=24)
    """Lowest severity number that matches."""
    match_undefined: bool = False
    """Whether records without a severity match."""


class MatchSettings(Settings):
    """All that is given must fit; of several values of one kind, one."""

    match_type: Literal["strict", "regexp"]
    """How names and values are compared."""
    services: tuple[str, ...] = ()
    """Values of the resource attribute `service.name`."""
    span_names: tuple[str, ...] = ()
    """Names of spans."""
    span_kinds: tuple[str, ...] = ()
    """Kinds of spans, such as `SPAN_KIND_CLIENT`."""
    log_bodies: tuple[str, ...] = ()
    """Texts of log bodies."""
    log_severity_texts: tuple[str, ...] = ()
    """Severity texts of log records."""
    log_severity_number: SeverityMatch | None = None
    """Severity numbers of log records."""
    metric_names: tuple[str, ...] = ()
    """Names of metrics."""
    attributes: tuple[AttributeMatch, ...] = ()
    """Attributes of the item; all must fit."""
    resources: tuple[AttributeMatch, ...] = ()
    """Attributes of the resource; all must fit."""
    libraries: tuple[LibraryMatch, ...] = ()
    """Instrumentation scopes."""

    @model_validator(mode="after")
    def _usable(self) -> MatchSettings:
        if not self.model_fields_set - {"match_type"}:
            raise ValueError("expected something to match, such as services, span_names or attributes")
        for kind in self.span_kinds:
            if self.match_type == "strict" and kind not in _KINDS:
                raise ValueError(f"{kind} is no span kind; expected {', '.join(_KINDS)}")
        if self.match_type == "regexp":
            matcher(self)
        return self


def matcher(settings: MatchSettings) -> Callable[[Signal, Item, Any], bool]:
    """Whether an item with its attributes matches. Raises `ValueError` for a bad pattern."""
    regexp = settings.match_type == "regexp"
    services = _texts(settings.services, regexp)
    names = _texts((*settings.span_names, *settings.metric_names), regexp)
    kinds = {_KINDS[kind] for kind in settings.span_kinds if kind in _KINDS}
    bodies = _texts(settings.log_bodies, regexp)
    severities = _texts(settings.log_severity_texts, regexp)
    attributes = [(entry.key, _value(entry.value, regexp)) for entry in settings.attributes]
    resources = [(entry.key, _value(entry.value, regexp)) for entry in settings.resources]
    libraries = [
        (_texts((entry.name,), regexp), _texts((entry.version,), regexp) if entry.version is not None else None)
        for entry in settings.libraries
    ]
    severity = settings.log_severity_number

    def matches(signal: Signal, item: Item, own: Any) -> bool:
        if services is not None:
            service = find(item.resource.attributes, "service.name")
            if service is None or not services(text_of(plain(service.value))):
                return False
        if names is not None and not names((item.span or item.metric or _NAMELESS).name):
            return False
        if kinds and (item.span is None or item.span.kind not in kinds):
            return False
        if item.log is not None:
            if bodies is not None and not bodies(text_of(plain(item.log.body))):
                return False
            if severities is not None and not severities(item.log.severity_text):
                return False
            if severity is not None:
                number = item.log.severity_number
                if not (severity.match_undefined if number == 0 else number >= severity.min):
                    return False
        elif bodies is not None or severities is not None or severity is not None:
            return False
        if libraries and not any(
            name is not None and name(item.scope.name) and (version is None or version(item.scope.version))
            for name, version in libraries
        ):
            return False
        return _has(own, attributes) and _has(item.resource.attributes, resources)

    return matches


class _Nameless:
    name = ""


_NAMELESS = _Nameless()


def _has(attributes: Any, wanted: Sequence[tuple[str, Callable[[Any], bool] | None]]) -> bool:
    for key, fits in wanted:
        attribute = find(attributes, key)
        if attribute is None or (fits is not None and not fits(plain(attribute.value))):
            return False
    return True


def _texts(wanted: Sequence[str], regexp: bool) -> Callable[[str], bool] | None:
    if not wanted:
        return None
    if not regexp:
        known = frozenset(wanted)
        return lambda text: text in known
    patterns = [compiled(pattern) for pattern in wanted]
    return lambda text: any(pattern.search(text) is not None for pattern in patterns)


def _value(wanted: Any, regexp: bool) -> Callable[[Any], bool] | None:
    if wanted is None:
        return None
    if regexp:
        pattern = compiled(str(wanted))
        return lambda value: pattern.search(text_of(value)) is not None
    return lambda value: type(value) is type(wanted) and bool(value == wanted)
