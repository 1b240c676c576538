"""Several configurations become one: files from left to right, then `--set`."""

from __future__ import annotations

from spanledger.config.problem import InvalidConfiguration, Problem
from spanledger.config.tree import Mapping, Node, Origin, parse_yaml


def merge(base: Node, over: Node) -> Node:
    """Maps are merged key by key; everything else in `over`, null included, replaces what was there."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    entries, keys = dict(base.entries), dict(base.keys)
    for key, value in over.entries.items():
        entries[key] = merge(entries[key], value) if key in entries else value
        keys[key] = over.keys[key]
    return Mapping(entries, keys, over.origin, over.text, over.reference)


def parse_set(argument: str) -> Mapping:
    """The tree that `--set a.b.c=value` stands for. The value is YAML; keys may also be joined by `::`, which an id
    or a key with a dot in it needs."""
    origin = Origin(f"--set {argument.partition('=')[0]}")
    path, equals, text = argument.partition("=")
    keys = path.split("::") if "::" in path else path.split(".")
    if not equals or not all(key.strip() for key in keys):
        problem = Problem((), "cannot be used", origin, found=path, expected="KEY.KEY.KEY=VALUE")
        raise InvalidConfiguration([problem])
    *above, last = (key.strip() for key in keys)
    tree = Mapping({last: parse_yaml(text, str(origin), at=origin)}, {last: origin}, origin)
    for key in reversed(above):
        tree = Mapping({key: tree}, {key: origin}, origin)
    return tree
