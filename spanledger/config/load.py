"""From files and `--set` to a checked `Config`."""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from pathlib import Path

from spanledger.config.check import check
from spanledger.config.components import Registry
from spanledger.config.expand import Expander, read_text
from spanledger.config.merge import merge, parse_set
from spanledger.config.model import Config
from spanledger.config.problem import InvalidConfiguration, Problem
from spanledger.config.registry import COMPONENTS
from spanledger.config.tree import Node, Origin, parse_yaml

BUILT_IN = "built-in default"


def default_text() -> str:
    """The configuration that `serve` uses without `--config`, as YAML with comments."""
    return importlib.resources.files("spanledger.config").joinpath("default.yaml").read_text(encoding="utf-8")


def load_config(
    files: Iterable[str | os.PathLike[str]] = (),
    sets: Iterable[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    read: Callable[[str], str] = read_text,
    registry: Registry = COMPONENTS,
) -> Config:
    """The configuration of `files`, merged from left to right, then `sets` (`a.b.c=value`), then expanded.

    Without files: the built-in default. Raises `InvalidConfiguration` with every mistake that can be seen.
    """
    trees: list[Node] = []
    problems: list[Problem] = []
    sources: list[Callable[[], Node]] = [partial(_parse, os.fspath(file), read) for file in files]
    sources = sources or [partial(parse_yaml, default_text(), BUILT_IN)]
    sources += [partial(parse_set, argument) for argument in sets]
    for parse in sources:
        try:
            trees.append(parse())
        except InvalidConfiguration as error:
            problems += error.problems
    if problems:
        raise InvalidConfiguration(problems)
    root = reduce(merge, trees)
    expander = Expander(os.environ if env is None else env, read)
    expanded = expander.expand(root)
    return check(expanded, registry, expander.warnings, expander.problems)


def _parse(name: str, read: Callable[[str], str]) -> Node:
    path = name.removeprefix("file:")
    try:
        text = read(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        expected = "a readable YAML file"
        if not Path(path).exists() and (nearby := sorted(Path(path).parent.glob("*.y*ml"))):
            expected += f"; beside it: {', '.join(str(file) for file in nearby[:5])}"
        raise InvalidConfiguration([Problem((), f"cannot be read: {reason}", Origin(path), path, expected)]) from None
    return parse_yaml(text, path)
