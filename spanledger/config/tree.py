"""YAML as a tree that remembers where every value was written, so that a mistake can be shown with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from spanledger.config.problem import InvalidConfiguration, Problem


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was written. `line` and `column` count from 1; 0 = the source has no lines."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Scalar:
    """A YAML scalar. `text` is how it was spelled: a field that wants text gets `0123`, not 83."""

    value: bool | int | float | str | None
    text: str
    origin: Origin
    reference: str | None = None
    """The `${…}` that gave the value, as written; None for a value that stands in the file itself."""


@dataclass(frozen=True, slots=True)
class Sequence:
    items: list[Node]
    origin: Origin
    text: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: dict[str, Node]
    keys: dict[str, Origin]
    """Where each key stands."""
    origin: Origin
    text: str | None = None
    """Spelling of the whole value when it came from an expansion."""
    reference: str | None = None


Node: TypeAlias = Scalar | Sequence | Mapping


def null(origin: Origin) -> Scalar:
    return Scalar(None, "", origin)


def plain(node: Node) -> Any:
    """The values alone, as YAML would give them."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items()}


def origin_of(root: Node, path: tuple[str, ...]) -> Origin:
    """Where the value at `path` was written; where the path leads nowhere, its nearest ancestor. For a map's entry the
    place of its key: that is what a person looks for."""
    node, origin = root, root.origin
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            origin, node = node.keys[step], node.entries[step]
        elif isinstance(node, Sequence) and step.isdigit() and int(step) < len(node.items):
            node = node.items[int(step)]
            origin = node.origin
        else:
            break
    return origin


_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def resolve_plain(text: str) -> bool | int | float | str | None:
    """Type of an unquoted scalar by the rules of the Collector's parser (yaml.v3: YAML 1.2 core plus 0-prefixed octal).

    PyYAML follows YAML 1.1, where `on`, `no` and `12:30` are no text and a colon-separated value becomes a number.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        digits = text.lstrip("+-").replace("_", "")
        base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 8 if len(digits) > 1 and digits[0] == "0" else 10)
        return int(digits.removeprefix("0o"), base) * (-1 if text[0] == "-" else 1)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if infinite := _INFINITE.fullmatch(text):
        return float(f"{infinite[1]}inf")
    return text


_PLAIN: Final = "!plain"
_MERGE: Final = "tag:yaml.org,2002:merge"
_STR: Final = "tag:yaml.org,2002:str"


class _Composer(yaml.SafeLoader):
    """Composes nodes only. Every unquoted scalar gets one tag, so that `resolve_plain` alone decides its type."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML declares it as an instance variable


_Composer.add_implicit_resolver(_MERGE, re.compile("<<$"), ["<"])
_Composer.add_implicit_resolver(_PLAIN, re.compile(""), None)


def parse_yaml(text: str, source: str, *, at: Origin | None = None) -> Node:
    """Tree of one YAML document. An empty document is a null scalar.

    `at` gives every node one place, for text that stands in no file of its own (an environment variable, `--set`).
    Raises `InvalidConfiguration` with line and column.
    """
    start = at or Origin(source, 1, 1)
    try:
        loader = _Composer(text)
        try:
            document = loader.get_single_node()
            if document is None:
                return null(start)
            return _Converter(source, at, loader).convert(document)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = at or (Origin(source, mark.line + 1, mark.column + 1) if mark else start)
        found = f"not valid YAML: {error.problem or error.context or 'cannot be read'}"
        raise InvalidConfiguration([Problem((), found, where)]) from None
    except yaml.YAMLError as error:
        # ReaderError quotes the offending character only, never the text around it.
        reason = error.args[-1] if error.args else "cannot be read"
        raise InvalidConfiguration([Problem((), f"not valid YAML: {reason}", start)]) from None


@dataclass(slots=True)
class _Converter:
    source: str
    at: Origin | None
    loader: _Composer
    open: list[yaml.Node] = field(default_factory=list)

    def origin(self, node: yaml.Node) -> Origin:
        return self.at or Origin(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def convert(self, node: yaml.Node) -> Node:
        origin = self.origin(node)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, origin)
        if any(node is ancestor for ancestor in self.open):
            raise InvalidConfiguration([Problem((), "an alias contains itself", origin)])
        self.open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, origin)
            return Sequence([self.convert(item) for item in node.value], origin)
        finally:
            self.open.pop()

    def mapping(self, node: yaml.MappingNode, origin: Origin) -> Mapping:
        written = list(self.written_keys(node))
        self.loader.flatten_mapping(node)  # `<<: *alias`
        entries: dict[str, Node] = {}
        keys: dict[str, Origin] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise InvalidConfiguration([Problem((), "a key is not text", self.origin(key_node), expected="text")])
            key = key_node.value
            if written.count(key) > 1:
                first = keys.get(key)
                if first is not None:
                    text = f'mapping key "{key}" already defined at line {first.line}'
                    raise InvalidConfiguration([Problem((), text, self.origin(key_node))])
            entries[key] = self.convert(value_node)
            keys[key] = self.origin(key_node)
        return Mapping(entries, keys, origin)

    @staticmethod
    def written_keys(node: yaml.MappingNode) -> Iterator[str]:
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value

    @staticmethod
    def scalar(node: yaml.ScalarNode, origin: Origin) -> Scalar:
        text: str = node.value
        return Scalar(text if node.tag == _STR else resolve_plain(text), text, origin)
