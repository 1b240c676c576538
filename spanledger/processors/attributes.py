"""The processors `attributes` and `resource` (processor/attributesprocessor, processor/resourceprocessor)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from spanledger.model.context import RequestContext, canonical
from spanledger.model.received import Signal
from spanledger.processors.base import Processor, Request
from spanledger.processors.match import MatchSettings, matcher
from spanledger.processors.ottl.converters_data import CASTS
from spanledger.processors.ottl.patterns import compiled
from spanledger.processors.values import Value, find, plain, put, remove
from spanledger.processors.walk import attributed, resource_groups
from spanledger.settings import Settings


class ActionSettings(Settings):
    """One change of attributes."""

    key: str = ""
    """Attribute that is changed."""
    action: Literal["insert", "update", "upsert", "delete", "hash", "extract", "convert"]
    """`insert` where it is missing, `update` where it is there, `upsert` either way, `delete`, `hash` (SHA-1 in
    hexadecimal), `extract` named groups of `pattern` into attributes, `convert` to `converted_type`."""
    value: Any = None
    """New value."""
    from_attribute: str | None = None
    """Attribute whose value is taken."""
    from_context: str | None = None
    """What came with the request: `metadata.<header>` or the header's name (the receiver needs
    `include_metadata: true`), `auth.subject`, `auth.username`, `auth.project`, or `client.address`. Several values are
    joined with `;`."""
    pattern: str | None = None
    """Regular expression (RE2): of `extract`, or of the keys that `delete` and `hash` concern."""
    converted_type: Literal["int", "double", "string"] | None = None
    """Type that `convert` makes."""
    default_value: Any = None
    """Value where `from_attribute` or `from_context` is missing."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.key and not (self.action in ("delete", "hash") and self.pattern):
            raise ValueError("missing required field key")
        sources = sum(source is not None for source in (self.value, self.from_attribute, self.from_context))
        if self.action in ("insert", "update", "upsert") and not sources:
            text = "missing required field value, from_attribute or from_context"
            raise ValueError(f'{text} for "action: {self.action}"')
        if sources > 1:
            raise ValueError("expected only one of value, from_attribute and from_context")
        if self.from_context is not None:
            canonical(self.from_context)
        if self.action == "convert" and self.converted_type is None:
            raise ValueError('missing required field converted_type for "action: convert"')
        if self.action == "extract" and self.pattern is None:
            raise ValueError('missing required field pattern for "action: extract"')
        if self.pattern is not None:
            pattern = compiled(self.pattern)
            if self.action == "extract" and not pattern.groupindex:
                raise ValueError('pattern of "action: extract" has no named group')
        return self


class ResourceSettings(Settings):
    """Processor `resource`: changes attributes of resources."""

    attributes: tuple[ActionSettings, ...] = Field(min_length=1)
    """Changes, in order."""


class AttributesSettings(Settings):
    """Processor `attributes`: changes attributes of spans, log records and data points."""

    actions: tuple[ActionSettings, ...] = Field(min_length=1)
    """Changes, in order."""
    include: MatchSettings | None = None
    """Items that are changed. Left out: all."""
    exclude: MatchSettings | None = None
    """Items that are not."""


Change: TypeAlias = Callable[[Any, RequestContext], None]


class ResourceProcessor(Processor):
    """Changes attributes of resources."""

    def __init__(self, settings: ResourceSettings) -> None:
        self._changes = [change(action) for action in settings.attributes]

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        for group in resource_groups(signal, request):
            for apply in self._changes:
                apply(group.resource.attributes, context)


class AttributesProcessor(Processor):
    """Changes attributes of items."""

    def __init__(self, settings: AttributesSettings) -> None:
        self._changes = [change(action) for action in settings.actions]
        self._include = matcher(settings.include) if settings.include else None
        self._exclude = matcher(settings.exclude) if settings.exclude else None

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        for item, attributes in attributed(signal, request):
            if self._include is not None and not self._include(signal, item, attributes):
                continue
            if self._exclude is not None and self._exclude(signal, item, attributes):
                continue
            for apply in self._changes:
                apply(attributes, context)


def change(settings: ActionSettings) -> Change:
    """What an action does to attributes."""
    match settings.action:
        case "insert" | "update" | "upsert":
            return _put(settings)
        case "delete":
            return _delete(settings)
        case "hash":
            return _hash(settings)
        case "extract":
            return _extract(settings)
        case "convert":
            return _convert(settings)


def _put(settings: ActionSettings) -> Change:
    key, action = settings.key, settings.action
    wanted = canonical(settings.from_context) if settings.from_context is not None else None

    def apply(attributes: Any, context: RequestContext) -> None:
        there = find(attributes, key) is not None
        if (action == "insert" and there) or (action == "update" and not there):
            return
        value = settings.value
        if wanted is not None:
            came = context.values(wanted)
            value = ";".join(came) if came else settings.default_value
        elif settings.from_attribute is not None:
            source = find(attributes, settings.from_attribute)
            value = settings.default_value if source is None else plain(source.value)
        if value is not None:
            put(attributes, key, value)

    return apply


def _keys(settings: ActionSettings, attributes: Any) -> list[str]:
    """Keys that a `delete` or `hash` concerns."""
    found = [settings.key] if settings.key else []
    if settings.pattern is not None:
        pattern = compiled(settings.pattern)
        found += [attribute.key for attribute in attributes if pattern.search(attribute.key) is not None]
    return found


def _delete(settings: ActionSettings) -> Change:
    def apply(attributes: Any, context: RequestContext) -> None:
        for key in _keys(settings, attributes):
            remove(attributes, key)

    return apply


def _hash(settings: ActionSettings) -> Change:
    def apply(attributes: Any, context: RequestContext) -> None:
        for key in _keys(settings, attributes):
            attribute = find(attributes, key)
            if attribute is not None:
                put(attributes, key, sha1(plain(attribute.value)))

    return apply


def sha1(value: Value) -> str:
    """The hash of the Collector's `hash` action: SHA-1 of the text, or of the number's eight bytes, little-endian."""
    if isinstance(value, bool):
        raw = bytes([value])
    elif isinstance(value, int):
        raw = struct.pack("<q", value)
    elif isinstance(value, float):
        raw = struct.pack("<d", value)
    elif isinstance(value, bytes):
        raw = value
    else:
        from spanledger.processors.values import text_of

        raw = text_of(value).encode()
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def _extract(settings: ActionSettings) -> Change:
    pattern = compiled(settings.pattern or "")

    def apply(attributes: Any, context: RequestContext) -> None:
        attribute = find(attributes, settings.key)
        if attribute is None or not attribute.value.HasField("string_value"):
            return
        match = pattern.search(attribute.value.string_value)
        if match is not None:
            for name, value in match.groupdict().items():
                put(attributes, name, value or "")

    return apply


def _convert(settings: ActionSettings) -> Change:
    cast = CASTS[settings.converted_type or "string"]

    def apply(attributes: Any, context: RequestContext) -> None:
        attribute = find(attributes, settings.key)
        if attribute is None:
            return
        value = cast(plain(attribute.value))
        if value is not None:
            put(attributes, settings.key, value)

    return apply
