"""Questions to the type annotations of settings models: what may stand under a key?"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, SecretStr


def wants_text(kinds: Iterable[Any]) -> bool:
    return any(kind in (str, SecretStr) for kind in kinds)


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def alternatives(annotation: Any) -> Iterator[Any]:
    """Members of a union, without `Annotated`."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from alternatives(member)
    else:
        yield annotation


def kinds(annotation: Any) -> Iterator[Any]:
    """The classes a value of this annotation may have."""
    for member in alternatives(annotation):
        origin = typing.get_origin(member)
        if origin is Literal:
            yield from {type(value) for value in typing.get_args(member)}
        else:
            yield origin or member


def containers(annotation: Any) -> Iterator[tuple[Any, Any]]:
    """(dict for any map, else the class; annotation of its values) of each container that may stand here."""
    for member in alternatives(annotation):
        if arguments := typing.get_args(member):
            origin = typing.get_origin(member)
            if isinstance(origin, type) and issubclass(origin, Mapping):
                yield dict, arguments[-1]
            else:
                yield origin, arguments[0]


def keys(annotation: Any) -> list[str]:
    """The keys that a map may have, where only some are allowed."""
    for member in alternatives(annotation):
        origin = typing.get_origin(member)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return literals(typing.get_args(member)[0])
    return []


def model_of(annotation: Any) -> type[BaseModel] | None:
    return next((member for member in alternatives(annotation) if is_model(member)), None)


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Key as written → annotation."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def step(annotation: Any, key: str) -> Any:
    """Annotation of what stands under `key`."""
    model = model_of(annotation)
    if model is not None:
        return fields(model).get(key, Any)
    return next((element for _, element in containers(annotation)), Any)


def walk(annotation: Any, path: Iterable[str]) -> Any:
    for key in path:
        annotation = step(annotation, key)
    return annotation


def literals(annotation: Any) -> list[str]:
    members = (m for m in alternatives(annotation) if typing.get_origin(m) is Literal)
    return [str(value) for member in members for value in typing.get_args(member)]
