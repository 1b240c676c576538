"""The processor `redaction` (processor/redactionprocessor): masks values, deletes attributes that nobody listed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final, Literal, Self

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import model_validator

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import Processor, Request
from spanledger.processors.ottl.patterns import compiled
from spanledger.processors.sanitizers import (
    SANITIZERS,
    is_json,
    is_sql,
    is_url,
    sanitized_json,
    sanitized_sql,
    sanitized_url,
)
from spanledger.processors.values import find, plain, put, text_of, write
from spanledger.processors.walk import attributed, resource_groups, scope_groups
from spanledger.settings import Secret, Settings

_MASK: Final = "****"
_HASHES: Final = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha3": hashlib.sha3_256}
_KEYED: Final = {"hmac-sha256": ("sha256", 32), "hmac-sha512": ("sha512", 64)}
"""Digest, and bytes that a key has at least."""
_HTTP: Final = frozenset(
    {
        *("http.route", "http.request.method", "http.request.method_original", "http.response.status_code"),
        *("url.full", "http.scheme", "http.target", "http.method", "http.url"),
    }
)
_CLIENT_OR_SERVER: Final = (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER)


class UrlSanitizerSettings(Settings):
    """`url_sanitizer`: URLs without what makes each of them another one."""

    enabled: bool = False
    """Segments of paths that are no words (numbers, ids, random letters) become `*`; queries, fragments and users are
    left out. Letters are told from words by rules, where the Collector has a trained model."""
    attributes: tuple[str, ...] = ()
    """Attributes that hold URLs. Of log records also bodies that are one."""
    sanitize_span_name: bool = True
    """Also names of client and server spans that are about HTTP or hold a `/`."""


class QuerySanitizerSettings(Settings):
    """Queries of one kind of database."""

    enabled: bool = False
    """Whether they are sanitized, in spans and points whose `db.system.name` or `db.system` says so."""
    attributes: tuple[str, ...] = ()
    """Attributes that hold queries."""


class DbSanitizerSettings(Settings):
    """`db_sanitizer`: queries without the values in them."""

    sql: QuerySanitizerSettings = QuerySanitizerSettings()
    """Literals and digits become `?`, comments are left out. Of log records also bodies that are a statement."""
    redis: QuerySanitizerSettings = QuerySanitizerSettings()
    """Arguments become `?`, keys too."""
    valkey: QuerySanitizerSettings = QuerySanitizerSettings()
    """As `redis`."""
    memcached: QuerySanitizerSettings = QuerySanitizerSettings()
    """The line of the command stays, the data goes."""
    mongo: QuerySanitizerSettings = QuerySanitizerSettings()
    """Values of JSON become `?`; so does a text that is no JSON. Of log records also bodies that are JSON."""
    opensearch: QuerySanitizerSettings = QuerySanitizerSettings()
    """As `mongo`."""
    es: QuerySanitizerSettings = QuerySanitizerSettings()
    """As `mongo`."""
    sanitize_span_name: bool = True
    """Also names of client, server and internal spans of these databases."""


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
    hash_function: Literal["", "md5", "sha1", "sha3", "hmac-sha256", "hmac-sha512"] = ""
    """Put a hash in the place of what is masked, so that equal values stay equal."""
    hmac_key: Secret | None = None
    """Key of `hmac-sha256`, 32 bytes at least, or `hmac-sha512`, 64: who does not have it cannot try values."""
    url_sanitizer: UrlSanitizerSettings = UrlSanitizerSettings()
    """URLs without what makes each of them another one."""
    db_sanitizer: DbSanitizerSettings = DbSanitizerSettings()
    """Queries without the values in them."""
    summary: Literal["debug", "info", "silent", ""] = ""
    """`debug` adds attributes with the names of what was changed, `info` their number."""

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        _, least = _KEYED.get(self.hash_function, ("", 0))
        if len(self.hmac_key.get_secret_value().encode() if self.hmac_key else b"") < least:
            raise ValueError(f"hmac_key must be at least {least} bytes long for {self.hash_function}")
        return self

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
        self._urls = frozenset(settings.url_sanitizer.attributes) if settings.url_sanitizer.enabled else frozenset()
        self._queries = [
            (sanitize, systems, frozenset(kind.attributes))
            for name, (sanitize, systems) in SANITIZERS.items()
            if (kind := getattr(settings.db_sanitizer, name)).enabled
        ]
        self._names = (settings.url_sanitizer.enabled and settings.url_sanitizer.sanitize_span_name) or (
            bool(self._queries) and settings.db_sanitizer.sanitize_span_name
        )

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        for group in resource_groups(signal, request):
            self._redact(group.resource.attributes)
            for scoped in scope_groups(signal, group):
                self._redact(scoped.scope.attributes)
        for item, attributes in attributed(signal, request):
            system = _system(attributes) if self._queries else ""
            if item.span is not None and self._names:
                self._sanitize_name(item.span, system)
            self._redact(attributes, system, of_log=item.log is not None)
            if item.span is not None:
                for event in item.span.events:
                    self._redact(event.attributes, system)
            if item.log is not None:
                self._redact_body(item.log.body)

    def _redact(self, attributes: Any, system: str = "", *, of_log: bool = False) -> None:
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
            if isinstance(changed, str) and not self._is_allowed(changed):
                changed = self._sanitized(changed, key, system, of_log)
            if changed != value:
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
        if isinstance(changed, str) and not self._is_allowed(changed):
            changed = self._sanitized_body(changed)
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
        if self._is_allowed(text):
            return value
        changed = text
        for pattern in self._blocked:
            changed = pattern.sub(lambda match: self._replace(match.group(0)), changed)
        return value if changed == text else changed

    def _is_allowed(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._allowed_values)

    def _sanitized(self, text: str, key: str, system: str, of_log: bool) -> str:
        """What an attribute says, without what the sanitizers take out."""
        if key in self._urls:
            text = sanitized_url(text)
        for sanitize, systems, keys in self._queries:
            if key in keys and (system in systems or (of_log and not system)):
                text = sanitize(text, system)
        return text

    def _sanitized_body(self, text: str) -> str:
        """Of a log record that does not say what it is about."""
        if self._settings.url_sanitizer.enabled and is_url(text):
            text = sanitized_url(text)
        for sanitize, _, _ in self._queries:
            if (sanitize is sanitized_sql and is_sql(text)) or (sanitize is sanitized_json and is_json(text)):
                text = sanitize(text, "")
        return text

    def _sanitize_name(self, span: Any, system: str) -> None:
        name: str = span.name
        if self._is_allowed(name):
            return
        urls, queries = self._settings.url_sanitizer, self._settings.db_sanitizer
        about_http = "/" in name or any(attribute.key in _HTTP for attribute in span.attributes)
        if urls.enabled and urls.sanitize_span_name and span.kind in _CLIENT_OR_SERVER and about_http:
            found = sanitized_url(name)
            if found != name and found.strip("/*"):  # a name of nothing but masks names nothing
                span.name = found
                return
        if system and queries.sanitize_span_name and span.kind in (*_CLIENT_OR_SERVER, Span.SPAN_KIND_INTERNAL):
            for sanitize, systems, _ in self._queries:
                if system in systems and (sanitize is not sanitized_json or is_json(name)):
                    span.name = sanitize(name, system) or name

    def _hashed(self, text: str) -> str:
        if self._settings.hmac_key is not None and self._settings.hash_function in _KEYED:
            key = self._settings.hmac_key.get_secret_value().encode()
            return hmac.digest(key, text.encode(), _KEYED[self._settings.hash_function][0]).hex()
        return _HASHES[self._settings.hash_function](text.encode()).hexdigest()

    def _summarize(self, attributes: Any, deleted: list[str], masked: list[str]) -> None:
        if self._settings.summary not in ("debug", "info"):
            return
        for what, keys in (("redacted", deleted), ("masked", masked)):
            if keys:
                if self._settings.summary == "debug":
                    put(attributes, f"redaction.{what}.keys", ",".join(sorted(keys)))
                put(attributes, f"redaction.{what}.count", len(keys))


def _system(attributes: Any) -> str:
    """Which database an item is about."""
    for key in ("db.system.name", "db.system"):
        attribute = find(attributes, key)
        if attribute is not None and attribute.value.string_value:
            return str(attribute.value.string_value).lower()
    return ""
