"""Ids of components (`type` or `type/name`) and of pipelines (`signal` or `signal/name`)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

_TYPE: Final = re.compile(r"[a-zA-Z][0-9a-zA-Z_]{0,62}")
_NAME_LIMIT: Final = 1024


class ComponentId(NamedTuple):
    """`otlp/internal` is type `otlp`, name `internal`."""

    type: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type


def parse_id(text: str) -> ComponentId:
    """Parse an id by the Collector's rules (component/identifiable.go). Raises `ValueError` with its texts."""
    type_part, slash, name = text.partition("/")
    type_part, name = type_part.strip(), name.strip()
    if not type_part:
        raise ValueError(f'in "{text}" id: the part before / should not be empty' if slash else "id must not be empty")
    if slash and not name:
        raise ValueError(f'in "{text}" id: the part after / should not be empty')
    if not _TYPE.fullmatch(type_part):
        raise ValueError(f'in "{text}" id: invalid character(s) in type "{type_part}"')
    if len(name) > _NAME_LIMIT:
        raise ValueError(f"in {text[:40]!r}… id: the name is longer than {_NAME_LIMIT} characters")
    if any(unicodedata.category(character)[0] in "ZCS" for character in name):
        raise ValueError(f'in "{text}" id: invalid character(s) in name "{name}"')
    return ComponentId(type_part, name)
