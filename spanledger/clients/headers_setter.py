"""The extension `headers_setter`: headers of exporters' requests, fixed, from a file, or from the request that brought
what they pass on; with the keys of the Collector's headerssetterextension."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from spanledger.clients.auth import Credentials
from spanledger.clients.watched_file import WatchedFile
from spanledger.errors import PayloadError
from spanledger.model.context import METADATA, auth_key, values_in
from spanledger.settings import Secret, Settings

_CHECK_INTERVAL: Final = 10.0
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.1."""


class HeaderSettings(Settings):
    """One header."""

    key: str = Field(min_length=1)
    """Its name."""
    action: Literal["insert", "update", "upsert", "delete"] = "upsert"
    """`insert` where it is missing, `update` where it is there, `upsert` either way, `delete`. What the exporter's own
    `headers` and `additional_auth` say is there before."""
    value: Secret | None = None
    """Value."""
    value_file: Path | None = None
    """File that holds the value; it is read again when it changes."""
    from_context: str | None = None
    """Header of the request that brought what is sent; its receiver needs `include_metadata: true`."""
    from_attribute: str | None = None
    """What is known of the sender by its key: `subject`, `username` or `project`."""
    default_value: Secret | None = None
    """Value where `from_context` and `from_attribute` find none. Without it nothing is changed then."""

    @field_validator("key")
    @classmethod
    def _name(cls, key: str) -> str:
        if not _NAME.fullmatch(key) or key.lower().endswith("-bin"):
            raise ValueError("expected the name of a header")
        return key

    @field_validator("from_attribute")
    @classmethod
    def _known(cls, attribute: str | None) -> str | None:
        if attribute is not None:
            auth_key(attribute)
        return attribute

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.action == "delete":
            return self
        sources = [self.value, self.value_file, self.from_context, self.from_attribute]
        given = sum(source is not None for source in sources)
        names = "value, value_file, from_context or from_attribute"
        if not given:
            raise ValueError(f"missing header source, expected {names}")
        if given > 1:
            raise ValueError(f"invalid header source, expected only one of {names}")
        if self.default_value is not None and self.context_key is None:
            raise ValueError("default_value goes with from_context or from_attribute")
        return self

    @property
    def context_key(self) -> str | None:
        """Canonical key of what it takes of the context; None where it takes nothing."""
        if self.from_attribute is not None:
            return auth_key(self.from_attribute)
        return METADATA + self.from_context.lower() if self.from_context is not None else None


class HeadersSetterSettings(Settings):
    """Extension `headers_setter`: headers of exporters' requests."""

    headers: tuple[HeaderSettings, ...]
    """Headers, in order."""
    additional_auth: str | None = None
    """Id of another extension with credentials, such as `oauth2client`: it sets its headers first."""

    @field_validator("headers")
    @classmethod
    def _some(cls, headers: tuple[HeaderSettings, ...]) -> tuple[HeaderSettings, ...]:
        if not headers:
            raise ValueError("missing headers configuration: expected at least one")
        return headers

    @property
    def context_keys(self) -> frozenset[str]:
        """Canonical keys of all that is taken of the context."""
        return frozenset(
            header.context_key
            for header in self.headers
            if header.action != "delete" and header.context_key is not None
        )


class HeadersSetter(Credentials):
    """Sets headers, one after the other."""

    address: str | None = None
    """It listens nowhere."""

    def __init__(self, settings: HeadersSetterSettings, name: str = "headers_setter") -> None:
        self._settings = settings
        self._keys = settings.context_keys
        self._before = Credentials()
        self._texts: dict[Path, str] = {}
        paths = {header.value_file: None for header in settings.headers if header.value_file is not None}
        self._files = [WatchedFile(path, partial(self._use, path), _CHECK_INTERVAL) for path in paths]

    def follow(self, before: Credentials) -> None:
        """Set headers after the extension that `additional_auth` names. Called before `start`."""
        self._before = before

    async def start(self) -> None:
        """Raises `ConfigError` when a file cannot be used."""
        for file in self._files:
            await file.start()

    async def stop(self) -> None:
        for file in self._files:
            await file.stop()

    def look(self) -> bool:
        """Look at the files now; whether a change was taken over."""
        return sum(file.look() for file in self._files) > 0

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        """Raises `PayloadError` where the context cannot be a header."""
        await self._before.put(headers, context)
        for header in self._settings.headers:
            if header.action == "delete":
                headers.pop(header.key, None)
                continue
            value = self._value(header, context)
            if value is None or (header.action == "insert" and headers.get(header.key)):
                continue
            if header.action != "update" or headers.get(header.key):
                headers[header.key] = value

    @property
    def context_keys(self) -> frozenset[str]:
        return self._keys | self._before.context_keys

    def turned_down(self) -> None:
        self._before.turned_down()

    def _value(self, header: HeaderSettings, context: str) -> str | None:
        if header.value is not None:
            return header.value.get_secret_value()
        if header.value_file is not None:
            return self._texts[header.value_file]
        values = values_in(context).get(header.context_key or "", ())
        if not values:
            return header.default_value.get_secret_value() if header.default_value is not None else None
        if len(values) > 1:
            raise PayloadError(
                f"{header.key}: {len(values)} values came with the request, and which one is meant is not known"
            )
        (value,) = values
        if not value.isascii() or not value.isprintable():
            raise PayloadError(f"{header.key}: the value that came with the request cannot stand in a header")
        return value

    def _use(self, path: Path, text: str) -> None:
        text = text.strip()
        if not text.isascii() or not text.isprintable():
            raise ValueError("holds what cannot stand in a header")
        self._texts[path] = text
