"""The sixteen editors (pkg/ottl/ottlfuncs/README.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from spanledger.processors.ottl.arguments import Editor, Parameter, parameters
from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.ottl.paths import Accessor, Item, type_name
from spanledger.processors.values import Value, text_of


def _write(place: Accessor, item: Item, value: Value) -> None:
    if place.set is None:
        raise OttlError("this path cannot be changed")
    place.set(item, value)


def _map_at(place: Accessor, item: Item) -> dict[str, Value] | None:
    """The map at a place; None where nothing is."""
    found = place.get(item)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise OttlError(f"expected a map, found {type_name(found)}")
    return found


def _set(item: Item, target: Accessor, value: Value) -> None:
    if value is not None:
        _write(target, item, value)


def _append(item: Item, target: Accessor, value: Value, values: Value) -> None:
    found = target.get(item)
    items = list(found) if isinstance(found, list) else [] if found is None else [found]
    if value is not None:
        items.append(value)
    if values is not None:
        items.extend(values if isinstance(values, list) else [values])
    _write(target, item, items)


def _delete_key(item: Item, target: Accessor, key: Value) -> None:
    found = _map_at(target, item)
    if found is not None and key in found:
        del found[key]
        _write(target, item, found)


def _delete_index(item: Item, target: Accessor, start: Value, end: Value) -> None:
    found = target.get(item)
    if not isinstance(found, list):
        raise OttlError(f"expected a list, found {type_name(found)}")
    stop = start + 1 if end is None else end
    if not 0 <= start < stop <= len(found):
        raise OttlError(f"[{start}, {stop}) is out of a list of {len(found)}")
    _write(target, item, found[:start] + found[stop:])


def _keep_if(item: Item, target: Accessor, keep: Callable[[str], bool]) -> None:
    found = _map_at(target, item)
    if found is None:
        return
    kept = {key: value for key, value in found.items() if keep(key)}
    if len(kept) < len(found):
        _write(target, item, kept)


def _delete_matching_keys(item: Item, target: Accessor, pattern: Any) -> None:
    _keep_if(item, target, lambda key: pattern.search(key) is None)


def _keep_matching_keys(item: Item, target: Accessor, pattern: Any) -> None:
    _keep_if(item, target, lambda key: pattern.search(key) is not None)


def _keep_keys(item: Item, target: Accessor, keys: Value) -> None:
    wanted = frozenset(keys)
    _keep_if(item, target, lambda key: key in wanted)


def _limit(item: Item, target: Accessor, limit: Value, priority_keys: Value) -> None:
    found = _map_at(target, item)
    if found is None or len(found) <= limit:
        return
    first = [key for key in priority_keys or () if key in found][:limit]
    rest = [key for key in found if key not in first][: limit - len(first)]
    kept = frozenset((*first, *rest))
    _write(target, item, {key: value for key, value in found.items() if key in kept})


def _merge_maps(item: Item, target: Accessor, source: Value, strategy: str) -> None:
    found = _map_at(target, item) or {}
    if not isinstance(source, dict):
        raise OttlError(f"source: expected a map, found {type_name(source)}")
    match strategy:
        case "insert":
            merged = {**source, **found}
            merged = {**found, **{key: value for key, value in source.items() if key not in found}}
        case "update":
            merged = {key: source.get(key, value) for key, value in found.items()}
        case _:
            merged = {**found, **source}
    _write(target, item, merged)


def _flatten(item: Item, target: Accessor, prefix: Value, depth: Value, resolve_conflicts: Value) -> None:
    found = _map_at(target, item)
    if found is None:
        return
    flat: dict[str, Value] = {}

    def put(key: str, value: Value, left: int | None) -> None:
        inner: list[tuple[str, Value]] = []
        if left is None or left > 0:
            if isinstance(value, dict):
                inner = list(value.items())
            elif isinstance(value, list):
                inner = [(str(position), entry) for position, entry in enumerate(value)]
        if inner:
            for name, entry in inner:
                put(f"{key}.{name}" if key else name, entry, None if left is None else left - 1)
            return
        if resolve_conflicts and key in flat:
            number = 0
            while f"{key}.{number}" in flat:
                number += 1
            key = f"{key}.{number}"
        flat[key] = value

    left = None if depth is None else depth
    for key, value in found.items():
        put(f"{prefix}.{key}" if prefix else key, value, left)
    _write(target, item, flat)


def _each_text(item: Item, target: Accessor, change: Callable[[str], str]) -> None:
    found = _map_at(target, item)
    if found is None:
        return
    changed = {key: change(value) if isinstance(value, str) else value for key, value in found.items()}
    if changed != found:
        _write(target, item, changed)


def _truncate_all(item: Item, target: Accessor, limit: Value, utf8_safe: bool, marker: str) -> None:
    if not isinstance(limit, int) or limit < 0:
        raise OttlError("limit must not be negative")
    _each_text(item, target, lambda text: truncated(text, limit, marker))


def truncated(text: str, limit: int, marker: str = "") -> str:
    """A text of at most so many bytes of UTF-8, whole characters, the marker included where it fits."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return text
    end = marker.encode()
    if len(end) > limit:
        end = b""
    return encoded[: limit - len(end)].decode("utf-8", "ignore") + end.decode()


def _stringify_all(item: Item, target: Accessor) -> None:
    found = _map_at(target, item)
    if found is not None:
        _write(target, item, {key: text_of(value) for key, value in found.items()})


def _replacement(replacement: Value, function: Callable[[Value], Value] | None, format_: Value) -> Callable[[Any], str]:
    """What a match becomes: the expanded replacement, through a converter and a format where they are given."""

    def replace(match: Any) -> str:
        text = expand(replacement, match)
        if function is not None:
            text = text_of(function(text))
        if format_ is not None:
            text = str(format_).replace("%s", text)
        return text

    return replace


def expand(template: str, match: Any) -> str:
    """Go's `Expand`: `$1`, `${1}`, `${name}`, and `$$` for a dollar."""
    out: list[str] = []
    at = 0
    while (dollar := template.find("$", at)) >= 0:
        out.append(template[at:dollar])
        at = dollar + 1
        if template.startswith("$", at):
            out.append("$")
            at += 1
            continue
        if template.startswith("{", at):
            end = template.find("}", at)
            name, following = (template[at + 1 : end], end + 1) if end > 0 else ("", at)
        else:
            end = at
            while end < len(template) and (template[end].isalnum() or template[end] == "_"):
                end += 1
            name, following = template[at:end], end
        if not name:
            out.append("$")
            continue
        at = following
        try:
            out.append(match.group(int(name) if name.isdigit() else name) or "")
        except (IndexError, KeyError):
            continue  # Go: a group that is not there is empty
    out.append(template[at:])
    return "".join(out)


def _replace_pattern(
    item: Item, target: Accessor, pattern: Any, replacement: Value, function: Any, format_: Value
) -> None:
    found = target.get(item)
    if found is None:
        return
    if not isinstance(found, str):
        raise OttlError(f"expected text, found {type_name(found)}")
    changed = pattern.sub(_replacement(replacement, function, format_), found)
    if changed != found:
        _write(target, item, changed)


def _replace_all_patterns(
    item: Item, target: Accessor, mode: str, pattern: Any, replacement: Value, function: Any, format_: Value
) -> None:
    replace = _replacement(replacement, function, format_)
    if mode == "value":
        _each_text(item, target, lambda text: pattern.sub(replace, text))
        return
    found = _map_at(target, item)
    if found is not None:
        _write(target, item, {pattern.sub(replace, key): value for key, value in found.items()})


def _replace_match(
    item: Item, target: Accessor, pattern: Any, replacement: Value, function: Any, format_: Value
) -> None:
    found = target.get(item)
    if isinstance(found, str) and pattern.fullmatch(found) is not None:
        _write(target, item, _matched(replacement, function, format_))


def _replace_all_matches(
    item: Item, target: Accessor, pattern: Any, replacement: Value, function: Any, format_: Value
) -> None:
    new = _matched(replacement, function, format_)
    _each_text(item, target, lambda text: text if pattern.fullmatch(text) is None else new)


def _matched(replacement: Value, function: Any, format_: Value) -> str:
    text = text_of(replacement if function is None else function(replacement))
    return text if format_ is None else str(format_).replace("%s", text)


_REPLACING: Final = ("replacement", "function?:function", "replacement_format?")
EDITORS: Final[dict[str, Editor]] = {
    "append": Editor(parameters("target:place", "value?", "values?"), _append),
    "delete_index": Editor(parameters("target:place", "startIndex", "endIndex?"), _delete_index),
    "delete_key": Editor(parameters("target:place", "key"), _delete_key),
    "delete_matching_keys": Editor(parameters("target:place", "pattern:pattern"), _delete_matching_keys),
    "flatten": Editor(
        parameters("target:place", "prefix?", "depth?", Parameter("resolveConflicts", "constant", False)), _flatten
    ),
    "keep_keys": Editor(parameters("target:place", "keys"), _keep_keys),
    "keep_matching_keys": Editor(parameters("target:place", "pattern:pattern"), _keep_matching_keys),
    "limit": Editor(parameters("target:place", "limit", "priority_keys?"), _limit),
    "merge_maps": Editor(parameters("target:place", "source", "strategy:constant"), _merge_maps),
    "replace_all_matches": Editor(parameters("target:place", "pattern:glob", *_REPLACING), _replace_all_matches),
    "replace_all_patterns": Editor(
        parameters("target:place", "mode:constant", "regex:pattern", *_REPLACING), _replace_all_patterns
    ),
    "replace_match": Editor(parameters("target:place", "pattern:glob", *_REPLACING), _replace_match),
    "replace_pattern": Editor(parameters("target:place", "regex:pattern", *_REPLACING), _replace_pattern),
    "set": Editor(parameters("target:place", "value"), _set),
    "stringify_all": Editor(parameters("target:place"), _stringify_all),
    "truncate_all": Editor(
        parameters(
            "target:place",
            "limit",
            Parameter("utf8_safe", "constant", True),
            Parameter("truncation_marker", "constant", ""),
        ),
        _truncate_all,
    ),
}
