"""`${…}` in configuration values, by the Collector's rules (confmap/expand.go, confmap/README.md).

====================== ==========================================================================================
`${env:NAME}` `${NAME}` environment variable; not set: nothing (null), with a warning
`${env:NAME:-default}` the default where the variable is not set; an empty default is allowed
`${file:path}`         the YAML of a file
`${yaml:text}`         YAML written in place
`$$`                   one `$`; so `$${X}` is the text `${X}`
====================== ==========================================================================================

A reference that is the whole value is parsed as YAML, and keeps its spelling for a field that wants text. A reference
within a longer value gives text. References may stand inside references and in the values they give. Keys are never
expanded; `$NAME` without braces is left alone.
"""

from __future__ import annotations

import collections.abc
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spanledger.config.problem import InvalidConfiguration, Problem, nearest
from spanledger.config.tree import Mapping, Node, Scalar, Sequence, null, parse_yaml

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):(.*)", re.DOTALL)
_SCHEMES: Final = ("env", "file", "yaml")
MAX_EXPANSIONS: Final = 1000
"""As in the Collector."""
MAX_DEPTH: Final = 50
"""Values that lead to further values: stops one that refers to itself."""


def read_text(path: str) -> str:
    """Text of a file. Raises `OSError` or `UnicodeDecodeError`."""
    return Path(path).read_text(encoding="utf-8")


@dataclass(slots=True)
class Expander:
    """Expands a tree; gathers problems and warnings instead of stopping at the first."""

    env: collections.abc.Mapping[str, str]
    read: Callable[[str], str] = read_text
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    expansions: int = 0
    depth: int = 0

    def expand(self, node: Node, path: tuple[str, ...] = (), *, escapes: bool = True) -> Node:
        """The tree with every reference replaced. `escapes`: `$$` is one `$`; not so in values that came from outside
        the configuration, where a password may hold any characters."""
        if isinstance(node, Mapping):
            entries = {key: self.expand(value, (*path, key), escapes=escapes) for key, value in node.entries.items()}
            return Mapping(entries, node.keys, node.origin, node.text, node.reference)
        if isinstance(node, Sequence):
            items = [self.expand(item, (*path, str(at)), escapes=escapes) for at, item in enumerate(node.items)]
            return Sequence(items, node.origin, node.text, node.reference)
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        return self.scalar(node, node.value, path, escapes)

    def scalar(self, node: Scalar, text: str, path: tuple[str, ...], escapes: bool) -> Node:
        out: list[str] = []
        at = 0
        used = False
        while at < len(text):
            dollar = text.find("$", at)
            if dollar < 0:
                break
            out.append(text[at:dollar])
            if escapes and text.startswith("$$", dollar):
                out.append("$")
                at = dollar + 2
                continue
            end = _closing(text, dollar)
            if end is None:
                out.append("$")
                at = dollar + 1
                continue
            reference = text[dollar:end]
            value = self.reference(reference, node, path)
            if dollar == 0 and end == len(text):
                return value
            out.append(_spelling(value))
            used = True
            at = end
        out.append(text[at:])
        joined = "".join(out)
        if joined == node.value:
            return node
        return Scalar(joined, joined, node.origin, text if used else node.reference)

    def reference(self, reference: str, node: Scalar, path: tuple[str, ...]) -> Node:
        """Value of one `${…}`; null after a problem, which is then on the list."""
        if self.expansions >= MAX_EXPANSIONS or self.depth >= MAX_DEPTH:
            return self.problem(node, path, "too many recursive expansions; does a value refer to itself?")
        self.expansions += 1
        self.depth += 1
        try:
            return self.dereference(reference, node, path)
        finally:
            self.depth -= 1

    def dereference(self, reference: str, node: Scalar, path: tuple[str, ...]) -> Node:
        inner = self.inner(reference[2:-1], node, path)
        if "$" in inner:
            return self.problem(node, path, f'"{reference}" holds a $ that belongs to no reference')
        match = _SCHEME.fullmatch(inner)
        scheme, argument = (match[1], match[2]) if match else ("env", inner)
        if scheme == "env":
            return self.variable(argument, reference, node, path)
        if scheme == "yaml":
            return self.parsed(argument, reference, node, path, escapes=True)
        if scheme == "file":
            try:
                return self.parsed(self.read(argument), reference, node, path, escapes=True)
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
                return self.problem(node, path, f'file "{argument}" cannot be read: {reason}')
        return self.problem(
            node,
            path,
            f'scheme "{scheme}" is not supported for uri "{reference}"',
            expected="one of env, file, yaml",
            did_you_mean=nearest(scheme, _SCHEMES),
        )

    def inner(self, text: str, node: Scalar, path: tuple[str, ...]) -> str:
        """The inside of a reference, with the references that stand in it replaced."""
        if "${" not in text:
            return text
        value = self.scalar(node, text, path, escapes=False)
        return _spelling(value)

    def variable(self, argument: str, reference: str, node: Scalar, path: tuple[str, ...]) -> Node:
        name, has_default, default = argument.partition(":-")
        if not _NAME.fullmatch(name):
            return self.problem(
                node,
                path,
                f'environment variable "{name}" has invalid name: must match regex ^{_NAME.pattern}$',
                expected="${env:NAME} or ${env:NAME:-default}; write $$ for one $",
            )
        if name in self.env:
            return self.parsed(self.env[name], reference, node, path, escapes=False)
        if has_default:
            return self.parsed(default, reference, node, path, escapes=False)
        self.warnings.append(f"{node.origin}: {'::'.join(path)}: environment variable {name} is not set")
        return Scalar(None, "", node.origin, reference)

    def parsed(self, text: str, reference: str, node: Scalar, path: tuple[str, ...], *, escapes: bool) -> Node:
        """The text as YAML; text that is none, as a password may be, stands for itself. A file's last line end is no
        part of what it holds."""
        text = text.removesuffix("\n").removesuffix("\r")
        node_of_text: Node
        try:
            node_of_text = parse_yaml(text, reference, at=node.origin)
        except InvalidConfiguration:
            node_of_text = Scalar(text, text, node.origin)
        value = self.expand(node_of_text, path, escapes=escapes)
        if isinstance(value, Mapping):
            return Mapping(value.entries, value.keys, value.origin, text, reference)
        if isinstance(value, Sequence):
            return Sequence(value.items, value.origin, text, reference)
        spelling = text if value is node_of_text else value.text
        return Scalar(value.value, spelling, value.origin, reference)

    def problem(
        self,
        node: Scalar,
        path: tuple[str, ...],
        message: str,
        *,
        expected: str | None = None,
        did_you_mean: str | None = None,
    ) -> Scalar:
        self.problems.append(Problem(path, message, node.origin, expected=expected, nearest=did_you_mean))
        return null(node.origin)


def _closing(text: str, start: int) -> int | None:
    """End of the reference that begins at `start`, None where none begins or it is never closed."""
    if not text.startswith("${", start):
        return None
    depth, at = 0, start
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return None


def _spelling(node: Node) -> str:
    """Text of a value inside a longer text."""
    if isinstance(node, Scalar):
        return node.text
    return node.text if node.text is not None else ""
