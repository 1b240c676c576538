"""All dialects, and the key table compiled from them.

To add a dialect, write a module here that holds a `DIALECT`; nothing else needs to change.
"""

from __future__ import annotations

import importlib
import pkgutil

from spanledger.mapping.dialects.base import Dialect, Kinds, LogRun, SpanName
from spanledger.mapping.facts import Facts
from spanledger.model.keys import KeyTable
from spanledger.model.span import Value


def _load() -> tuple[Dialect, ...]:
    found: list[Dialect] = []
    for module in pkgutil.iter_modules(__path__):
        if module.name in ("base", "document", "__main__"):
            continue
        found.append(importlib.import_module(f"{__name__}.{module.name}").DIALECT)
    return tuple(sorted(found, key=lambda dialect: dialect.rank))


DIALECTS: tuple[Dialect, ...] = _load()
BY_CODE: dict[str, Dialect] = {dialect.code: dialect for dialect in DIALECTS}


def _kind_slots() -> dict[str, str]:
    """Attribute key of each kind signal → its slot."""
    slots = {"gen_ai.operation.name": "operation", "mcp.method.name": "mcp_method"}
    slots |= {"llm.request.type": "llm_request_type", "logfire.span_type": "logfire_span_type"}
    for dialect in DIALECTS:
        own = f"kind_{dialect.code}"
        for kinds in dialect.kinds:
            if kinds.key not in slots:
                slots[kinds.key] = own if own not in slots.values() else f"{own}_{len(slots)}"
    return slots


KIND_SLOTS = _kind_slots()
KIND_SIGNALS: tuple[tuple[str, Kinds], ...] = tuple(
    sorted(
        ((KIND_SLOTS[kinds.key], kinds) for dialect in DIALECTS for kinds in dialect.kinds),
        key=lambda signal: signal[1].rank,
    )
)
"""(slot, kinds), strongest signal first."""

NAME_RULES: tuple[SpanName, ...] = tuple(rule for dialect in DIALECTS for rule in dialect.names)

SCOPES: tuple[tuple[str, str], ...] = tuple(
    sorted(
        ((scope, dialect.code) for dialect in DIALECTS for scope in dialect.scopes),
        key=lambda pair: -len(pair[0]),
    )
)
"""(scope prefix, dialect code), longest prefix first."""

MARKERS: tuple[tuple[str, str], ...] = tuple((slot, dialect.code) for dialect in DIALECTS for slot in dialect.markers)

for _slot in KIND_SLOTS.values():
    if not hasattr(Facts, _slot):
        setattr(Facts, _slot, None)


def _key_table() -> KeyTable:
    keys: dict[str, tuple[str, int]] = {}
    prefixes: dict[str, str] = {}
    absent: dict[str, frozenset[Value]] = {}
    for dialect in DIALECTS:
        for position, (key, slot) in enumerate(dialect.keys.items()):
            if not hasattr(Facts, slot):
                raise LookupError(f"dialect {dialect.code}: {key} names the unknown fact {slot}")
            keys.setdefault(key, (slot, dialect.rank * 1000 + position))
        for prefix, slot in dialect.groups.items():
            prefixes.setdefault(prefix, slot)
        for slot, values in dialect.absent.items():
            absent[slot] = absent.get(slot, frozenset()) | values
    for key, slot in KIND_SLOTS.items():
        keys[key] = (slot, 0)
    ordered = tuple(sorted(prefixes.items(), key=lambda pair: -len(pair[0])))
    return KeyTable(span_type=Facts, keys=keys, prefixes=ordered, absent=absent)


KEYS: KeyTable = _key_table()
"""The key table that every decoder is given."""


def _event_tables() -> dict[str, KeyTable]:
    return {
        event: KeyTable(
            span_type=Facts,
            keys={key: (slot, position) for position, (key, slot) in enumerate(keys.items())},
            absent=KEYS.absent,
        )
        for dialect in DIALECTS
        for event, keys in dialect.events.items()
    }


EVENT_TABLES: dict[str, KeyTable] = _event_tables()
"""Span events that state facts of their span, each with the key table for its attributes."""


def _log_tables() -> dict[str, tuple[LogRun, KeyTable]]:
    tables: dict[str, tuple[LogRun, KeyTable]] = {}
    for dialect in DIALECTS:
        for event, run in dialect.logs.items():
            own = {key: (slot, position - len(run.keys)) for position, (key, slot) in enumerate(run.keys.items())}
            tables[event] = run, KeyTable(Facts, {**KEYS.keys, **own}, KEYS.prefixes, KEYS.absent)
    return tables


LOG_TABLES: dict[str, tuple[LogRun, KeyTable]] = _log_tables()
"""Log records that are runs, each with the key table for its attributes."""
