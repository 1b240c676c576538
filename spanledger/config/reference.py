"""The tables of docs/configuration.md, made from the settings models: what is documented is what is validated.

`python -m spanledger.config.reference docs/configuration.md` rewrites the tables in the file; a test holds both equal.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from spanledger.config.annotations import alternatives, containers, keys, model_of
from spanledger.config.components import Kind
from spanledger.config.delivery import DeliverySection
from spanledger.config.mapping import MappingSettings
from spanledger.config.model import ReloadSettings
from spanledger.config.registry import COMPONENTS
from spanledger.settings import format_duration
from spanledger.telemetry.settings import TelemetrySettings

_BLOCK = re.compile(r"(<!-- settings: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Name of each table (`receivers::otlp`) and its Markdown."""
    found = {
        f"{kind}::{component.type}": table(component.settings, without=_delivery_keys(kind))
        for kind in Kind
        for component in COMPONENTS[kind].values()
    }
    found["exporters"] = table(DeliverySection)
    found["service::mapping"] = table(MappingSettings)
    found["service::reload"] = table(ReloadSettings)
    found["service::telemetry"] = table(TelemetrySettings)
    return found


def _delivery_keys(kind: Kind) -> frozenset[str]:
    return frozenset(DeliverySection.model_fields) if kind is Kind.EXPORTERS else frozenset()


def table(model: type[BaseModel], without: frozenset[str] = frozenset()) -> str:
    """One row per key; keys of inner sections are joined by `::`, and `*` is any entry of a list."""
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(model, "", without)]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    for name, info in model.model_fields.items():
        if name in without:
            continue
        key = prefix + (info.alias or name)
        inner = model_of(info.annotation)
        meaning = _cell(info.description or "")
        if inner is None:
            yield f"`{key}`", _type(info), _default(info), meaning
            for _, element in containers(info.annotation):
                if (member := model_of(element)) is not None:
                    yield from _rows(member, f"{key}::*::")
            continue
        meaning = meaning or _cell(inner.__doc__ or "")
        default = info.get_default(call_default_factory=True)
        if default is None or meaning:
            yield f"`{key}`", "section", "off" if default is None else "", meaning
        yield from _rows(inner, f"{key}::")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(info: FieldInfo) -> str:
    names: dict[str, None] = {}
    for member in alternatives(info.annotation):
        origin = typing.get_origin(member) or member
        if origin is Literal:
            names.update(dict.fromkeys(f"`{value}`" for value in typing.get_args(member)))
        elif isinstance(member, type) and issubclass(member, Enum):
            names.update(dict.fromkeys(f"`{value.value}`" for value in member))
        elif origin is dict and keys(member):
            names["map of " + ", ".join(f"`{key}`" for key in keys(member))] = None
        elif origin is not types.NoneType:
            names[_word(origin, info)] = None
    return ", ".join(names)


def _word(kind: Any, info: FieldInfo) -> str:
    if kind is float and _is_duration(info):
        return "duration"
    words = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    words |= {Decimal: "number", datetime: "date or time"}
    words |= {list: "list", tuple: "list", frozenset: "list", set: "list", dict: "map", SecretStr: "text (secret)"}
    return words.get(kind, "any")


def _is_duration(info: FieldInfo) -> bool:
    return any(getattr(entry, "func", None) is format_duration for entry in info.metadata)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, SecretStr) or value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and _is_duration(info):
        return f"`{format_duration(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, (list, tuple, frozenset)):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def rewrite(text: str) -> str:
    """The document with every table as it is now. Raises `KeyError` for a table that nothing has."""
    made = tables()
    return _BLOCK.sub(lambda match: f"{match[1]}\n{made[match[2]]}\n{match[3]}", text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(rewrite(document.read_text(encoding="utf-8")), encoding="utf-8")
