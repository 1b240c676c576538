"""YAML trees into settings models, and the models' complaints back into places of the tree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from spanledger.config.annotations import (
    containers,
    fields,
    is_model,
    keys,
    kinds,
    literals,
    model_of,
    step,
    walk,
    wants_text,
)
from spanledger.config.mask import MASK, is_secret, mask_text
from spanledger.config.problem import Problem, nearest, one_of
from spanledger.config.tree import Mapping, Node, Scalar, Sequence, origin_of

Path: TypeAlias = tuple[str, ...]
Model = TypeVar("Model", bound=BaseModel)


def build(model: type[Model], node: Node, path: Path, root: Node, problems: list[Problem]) -> Model | None:
    """The settings that stand at `path`; None after problems, which are then on the list."""
    try:
        return model.model_validate(values(node, model))
    except ValidationError as error:
        found: dict[Path, Problem] = {}
        for details in error.errors(include_url=False):
            problem = _problem(details, model, path, node, root)
            found.setdefault((*problem.path, problem.message), problem)  # a union complains once per member
        problems.extend(found.values())
        return None


def values(node: Node, annotation: Any) -> Any:
    """What pydantic is given: plain values, except that a field of text gets a scalar as it was spelled, and a section
    without a body (`batch:`) is an empty one."""
    allowed = list(kinds(annotation))
    if isinstance(node, Scalar):
        return _scalar(node, allowed)
    if isinstance(node, Sequence):
        if node.text is not None and wants_text(allowed) and list not in allowed:
            return node.text
        item = next((element for kind, element in containers(annotation) if kind is not dict), Any)
        return [values(value, item) for value in node.items]
    if node.text is not None and wants_text(allowed) and not any(is_model(kind) or kind is dict for kind in allowed):
        return node.text
    model = model_of(annotation)
    if model is not None:
        by_key = fields(model)
        return {key: values(value, by_key.get(key, Any)) for key, value in node.entries.items()}
    entry = next((element for kind, element in containers(annotation) if kind is dict), Any)
    return {key: values(value, entry) for key, value in node.entries.items()}


def _scalar(node: Scalar, allowed: list[Any]) -> Any:
    if node.value is None:
        if type(None) in allowed or Any in allowed:
            return None
        if any(is_model(kind) for kind in allowed):
            return {}
        return "" if node.reference is not None and wants_text(allowed) else None
    if isinstance(node.value, float) and (float in allowed or Decimal in allowed) and str not in allowed:
        # A duration is a float in code, and 1.5 is none: it lacks the unit. A decimal must not lose digits.
        return node.text
    if isinstance(node.value, str) or type(node.value) in allowed or not wants_text(allowed):
        return node.value
    return node.text


def _problem(details: ErrorDetails, model: type[BaseModel], base: Path, node: Node, root: Node) -> Problem:
    steps, annotation, at = _locate(details["loc"], model, node)
    path = (*base, *steps)
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        key = steps[-1]
        above = model if len(steps) == 1 else walk(model, steps[:-1])
        owner = model_of(above)
        valid = list(fields(owner)) if owner else []
        message = f"'{'::'.join(path[:-1])}' has invalid keys: {key}"
        guess = nearest(key, valid) or _elsewhere(model, key, base)
        return Problem(path, message, origin_of(root, path), key, one_of(valid), guess)
    if details["loc"][-1:] == ("[key]",):
        valid = keys(walk(model, steps[:-1]))
        message = f"'{'::'.join(path[:-1])}' has invalid keys: {path[-1]}"
        return Problem(path, message, origin_of(root, path), path[-1], one_of(valid), nearest(path[-1], valid))
    if kind == "missing":
        return Problem(path[:-1], f'missing key "{path[-1]}"', origin_of(root, path))
    message = "cannot be used"
    expected: str | None = _expected(kind, context, details["msg"])
    guess = None
    if kind == "value_error" and not str(context["error"]).startswith("expected "):
        message, expected, at = str(context["error"]), None, at if isinstance(at, Scalar) else None
    if kind == "literal_error" and isinstance(at, Scalar) and at.reference is None:
        guess = nearest(at.text, literals(annotation))
    found = show(at, path[-1] if path else "", annotation)
    return Problem(path, message, origin_of(root, path), found, expected, guess)


def _locate(loc: tuple[int | str, ...], model: type[BaseModel], node: Node) -> tuple[Path, Any, Node | None]:
    """The part of a pydantic location that lies in the tree: it also names members of unions and validators."""
    steps: list[str] = []
    annotation: Any = model
    at: Node | None = node
    for position, part in enumerate(loc):
        key = str(part)
        if isinstance(at, Mapping) and key in at.entries:
            at = at.entries[key]
        elif isinstance(at, Sequence) and isinstance(part, int) and part < len(at.items):
            at = at.items[part]
        elif position == len(loc) - 1 and key in (fields(owner) if (owner := model_of(annotation)) else {}):
            at = None
        else:
            continue
        steps.append(key)
        annotation = step(annotation, key)
    return tuple(steps), annotation, at


def _elsewhere(model: type[BaseModel], key: str, base: Path, depth: int = 4) -> str | None:
    """Where else in the component's settings a key of this name stands."""
    for name, annotation in fields(model).items():
        inner = model_of(annotation)
        if inner is None or depth == 0:
            continue
        if key in fields(inner):
            return "::".join((*base, name, key))
        if found := _elsewhere(inner, key, (*base, name), depth - 1):
            return found
    return None


_EXPECTED: Final = {
    "int_": "a whole number",
    "float_": "a number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "finite_": "a finite number",
    "bool_": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a map",
    "model_": "a map",
    "mapping_type": "a map",
}


def _expected(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", message)).removeprefix("expected ")
    if kind in ("literal_error", "enum"):
        return "one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"{words} {context[bound]}"
    for prefix, text in _EXPECTED.items():
        if kind.startswith(prefix):
            return text
    return message[:1].lower() + message[1:].replace("Input should be ", "")


def show(node: Node | None, key: str, annotation: Any = Any) -> str | None:
    """What was found, for an error text: never a secret, never anything that an environment variable held."""
    if node is None:
        return None
    if node.reference is not None:
        return f"the value of {node.reference}"
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    if SecretStr in kinds(annotation) or is_secret(key):
        return MASK
    text = mask_text(node.text)
    return text if len(text) <= 80 else text[:80] + "…"
