"""The processor `redaction` (processor/redactionprocessor): masks values, deletes attributes that nobody listed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import Processor, Request
from spanledger.processors.ottl.patterns import compiled
from spanledger.processors.values import plain, put, text_of, write
from spanledger.processors.walk import attributed, resource_groups, scope_groups
from spanledger.settings import Settings

_MASK: Final = "****"
_HASHES: Final = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha3": hashlib.sha3_256}


class RedactionSettings(Settings):
    """Processor `redaction`: of attributes of resources, spans, events, log records (also their bodies) and data
    points."""

    allow_all_keys: bool = False
    """Keep attributes that `allowed_keys` doesn't list. Without it they are deleted: what nobody thought of stays
    hidden."""
    allowed_keys: tuple[str, ...] = ()
    """Attributes that are kept."""
    ignored_keys: tuple[str, ...] = ()
    """Attributes that are kept as they are."""
    ignored_key_patterns: tuple[str, ...] = ()
    """The same by pattern (RE2)."""
    blocked_key_patterns: tuple[str, ...] = ()
    """Attributes whose whole value is masked, by pattern of the key."""
    blocked_values: tuple[str, ...] = ()
    """Patterns that are masked wherever they stand in a value."""
    allowed_values: tuple[str, ...] = ()
    """Patterns of values that are kept although they match `blocked_values`."""
    redact_all_types: bool = False
    """Look at numbers, lists and maps as texts too."""
    hash_function: Literal["", "md5", "sha1", "sha3"] = ""
    """Put a hash in the place of what is masked, so that equal values stay equal."""
    summary: Literal["debug", "info", "silent", ""] = ""
    """`debug` adds attributes with the names of what was changed, `info` their number."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for patterns in (
            self.ignored_key_patterns,
            self.blocked_key_patterns,
            self.blocked_values,
            self.allowed_values,
        ):
            for pattern in patterns:
                compiled(pattern)
        return self


class RedactionProcessor(Processor):
    """Masks and deletes."""

    def __init__(self, settings: RedactionSettings) -> None:
        self._settings = settings
        self._allowed = frozenset(settings.allowed_keys)
        self._ignored = frozenset(settings.ignored_keys)
        self._ignored_patterns = [compiled(pattern) for pattern in settings.ignored_key_patterns]
        self._blocked_keys = [compiled(pattern) for pattern in settings.blocked_key_patterns]
        self._blocked = [compiled(pattern) for pattern in settings.blocked_values]
        self._allowed_values = [compiled(pattern) for pattern in settings.allowed_values]
        self._replace: Callable[[str], str] = self._hashed if settings.hash_function else lambda text: _MASK

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        for group in resource_groups(signal, request):
            self._redact(group.resource.attributes)
            for scoped in scope_groups(signal, group):
                self._redact(scoped.scope.attributes)
        for item, attributes in attributed(signal, request):
            self._redact(attributes)
            if item.span is not None:
                for event in item.span.events:
                    self._redact(event.attributes)
            if item.log is not None:
                self._redact_body(item.log.body)

    def _redact(self, attributes: Any) -> None:
        deleted: list[str] = []
        masked: list[str] = []
        for attribute in attributes:
            key = attribute.key
            if key in self._ignored or any(pattern.search(key) for pattern in self._ignored_patterns):
                continue
            if not self._settings.allow_all_keys and key not in self._allowed:
                deleted.append(key)
                continue
            value = plain(attribute.value)
            if any(pattern.search(key) for pattern in self._blocked_keys):
                write(attribute.value, self._replace(text_of(value)))
                masked.append(key)
                continue
            changed = self._masked(value)
            if changed is not value:
                write(attribute.value, changed)
                masked.append(key)
        if deleted:
            gone = frozenset(deleted)
            kept = [attribute for attribute in attributes if attribute.key not in gone]
            copies = [type(attribute).FromString(attribute.SerializeToString()) for attribute in kept]
            del attributes[:]
            attributes.extend(copies)
        self._summarize(attributes, deleted, masked)

    def _redact_body(self, body: Any) -> None:
        if body.WhichOneof("value") is None:
            return
        value = plain(body)
        changed = self._masked_map(value) if isinstance(value, dict) else self._masked(value)
        if changed is not value:
            write(body, changed)

    def _masked_map(self, value: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, inner in value.items():
            if key in self._ignored or any(pattern.search(key) for pattern in self._ignored_patterns):
                found[key] = inner
            elif not self._settings.allow_all_keys and key not in self._allowed:
                continue
            elif any(pattern.search(key) for pattern in self._blocked_keys):
                found[key] = self._replace(text_of(inner))
            else:
                found[key] = self._masked_map(inner) if isinstance(inner, dict) else self._masked(inner)
        return found

    def _masked(self, value: Any) -> Any:
        """The value itself where nothing is to be hidden."""
        if isinstance(value, str):
            text = value
        elif self._settings.redact_all_types and value is not None:
            text = text_of(value)
        else:
            return value
        if any(pattern.search(text) for pattern in self._allowed_values):
            return value
        changed = text
        for pattern in self._blocked:
            changed = pattern.sub(lambda match: self._replace(match.group(0)), changed)
        return value if changed == text else changed

    def _hashed(self, text: str) -> str:
        return _HASHES[self._settings.hash_function](text.encode()).hexdigest()

    def _summarize(self, attributes: Any, deleted: list[str], masked: list[str]) -> None:
        if self._settings.summary not in ("debug", "info"):
            return
        for what, keys in (("redacted", deleted), ("masked", masked)):
            if keys:
                if self._settings.summary == "debug":
                    put(attributes, f"redaction.{what}.keys", ",".join(sorted(keys)))
                put(attributes, f"redaction.{what}.count", len(keys))
