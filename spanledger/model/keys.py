"""The key table: which attribute key fills which slot of a span. The whole interface between decoding and mapping.

The mapping builds one `KeyTable` from its dialect tables and gives it to a decoder. The decoder knows nothing else
of dialects: for each attribute it looks the key up, and either fills a slot, adds to a group, or puts the attribute
into `span.rest`.

- A *slot* holds one value. Several keys may feed it; the key with the lowest rank that carries a value wins. A value
  that loses against a different one is kept in `rest`, under its own key; one that says the same is dropped.
- A *group* is a slot which holds a dict of all attributes below a prefix, by the rest of their key
  (`gen_ai.prompt.0.role` → `{"0.role": …}` in the slot `prompt_indexed`).
- `absent` names values that mean "not given" for a slot (`"none"`, `-1`, a framework's name where a provider belongs).
  They never fill the slot, and stay in `rest`. Null, "", [] and {} are absent everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spanledger.model.span import Span, Value

_CACHE_LIMIT = 8192
_LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Compiled key table. Immutable; safe to share between threads."""

    span_type: type[Span]
    """Has a slot, None at first, for every name used in `keys` and `prefixes`."""
    keys: Mapping[str, tuple[str, int]]
    """Attribute key → (slot, rank)."""
    prefixes: tuple[tuple[str, str], ...] = ()
    """(prefix, group slot), longest prefix first. A key listed in `keys` never goes to a group."""
    absent: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    """Slot → values that mean "not given"."""
    _groups: dict[str, tuple[str, str] | None] = field(default_factory=dict, repr=False)

    def fill(self, span: Span, attributes: Iterable[tuple[str, Value]]) -> None:
        """Distribute attributes over the slots, groups and `rest` of a span whose slots are still empty."""
        keys, absent = self.keys, self.absent
        rest = span.rest
        ranks: dict[str, tuple[int, str]] = {}
        for key, value in attributes:
            known = keys.get(key)
            if known is None:
                group = self.group_of(key)
                if group is None:
                    rest[key] = value
                    continue
                members: dict[str, Value] | None = getattr(span, group[0])
                if members is None:
                    members = {}
                    setattr(span, group[0], members)
                members[group[1]] = value
                continue
            slot, rank = known
            if value is None or (not value and (value == "" or value == [] or value == {})):
                continue
            not_given = absent.get(slot)
            if not_given is not None and is_absent(value, not_given):
                rest[key] = value
                continue
            held = ranks.get(slot)
            if held is None:
                setattr(span, slot, value)
                ranks[slot] = (rank, key)
                continue
            other: Value = getattr(span, slot)
            if rank < held[0] or key == held[1]:  # a repeated key: the last one wins
                setattr(span, slot, value)
                ranks[slot] = (rank, key)
                if key != held[1] and other != value:
                    rest[held[1]] = other
            elif other != value:
                rest[key] = value

    def group_of(self, key: str) -> tuple[str, str] | None:
        """(group slot, rest of the key) for a key below one of the prefixes, else None."""
        cache = self._groups
        try:
            return cache[key]
        except KeyError:
            pass
        found = None
        for prefix, slot in self.prefixes:
            if key.startswith(prefix):
                found = (slot, key[len(prefix) :])
                break
        if len(key) <= _LONGEST_KEY:  # keys come from outside: never grow without bound
            if len(cache) >= _CACHE_LIMIT:
                cache.clear()
            cache[key] = found
        return found


def is_absent(value: Value, not_given: frozenset[Value]) -> bool:
    """Whether a value is one of those that mean "not given"; unhashable values never are."""
    try:
        return value in not_given and value is not True and value is not False
    except TypeError:
        return False
