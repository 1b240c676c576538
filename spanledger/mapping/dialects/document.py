"""The reference page of all dialects, made from their tables, so that it cannot drift from what the mapping does."""

from __future__ import annotations

from collections import defaultdict

from spanledger.mapping.dialects import DIALECTS, KIND_SIGNALS
from spanledger.mapping.dialects.base import Dialect

_INTRODUCTION = """# Dialects

<!-- Made by `python -m spanledger.mapping.dialects`; change the tables in spanledger/mapping/dialects instead. -->

Every instrumentation writes the facts of a model call in its own way, and one span often carries several ways at
once. spanledger merges facts, not dialects: each attribute key feeds a fact, and where several keys state the same
fact the one that stands first below wins. A key that loses against a different value is kept in the run's
`attributes`, as is every key that no table knows.

A dialect is one table: keys, prefixes whose whole group is kept, attributes that tell the kind of run, instrumentation
scopes. To add one, write a module in `spanledger/mapping/dialects/` and record what the SDK sends; nothing else
changes.
"""


def render() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, _overview(), _kinds(), _facts()]
    parts.extend(_dialect(dialect) for dialect in DIALECTS)
    return "\n".join(parts)


def _overview() -> str:
    lines = ["## Overview\n", "| dialect | code | told by scope | keys |", "| --- | --- | --- | --- |"]
    for dialect in DIALECTS:
        scopes = ", ".join(f"`{scope}`" for scope in dialect.scopes) or "–"
        count = len(dialect.keys) + len(dialect.groups) + len(dialect.kinds)
        lines.append(f"| {dialect.title} | `{dialect.code}` | {scopes} | {count} |")
    return "\n".join(lines) + "\n"


def _kinds() -> str:
    lines = [
        "## Kind of run\n",
        "The first attribute below that is present and has a known value decides; then span names, then the facts",
        "themselves. `skip` is noise whose children move up, `merge` fills the gaps of its parent.\n",
        "| attribute | value → kind |",
        "| --- | --- |",
    ]
    for _, kinds in KIND_SIGNALS:
        by_kind: dict[str, list[str]] = defaultdict(list)
        for value, kind in kinds.values.items():
            by_kind[kind].append(value)
        for suffix, kind in kinds.suffixes:
            by_kind[kind].append(f"…{suffix}")
        told = "; ".join(f"{', '.join(f'`{value}`' for value in values)} → {kind}" for kind, values in by_kind.items())
        lines.append(f"| `{kinds.key}` | {told} |")
    return "\n".join(lines) + "\n"


def _facts() -> str:
    by_fact: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for dialect in DIALECTS:
        for position, (key, fact) in enumerate(dialect.keys.items()):
            by_fact[fact].append((dialect.rank * 1000 + position, key, dialect.code))
        for prefix, fact in dialect.groups.items():
            by_fact[fact].append((dialect.rank * 1000 + 999, prefix + "*", dialect.code))
    lines = ["## Facts and the keys that state them\n", "| fact | keys, strongest first |", "| --- | --- |"]
    for fact in sorted(by_fact):
        keys = ", ".join(f"`{key}`" for _, key, _ in sorted(by_fact[fact]))
        lines.append(f"| `{fact}` | {keys} |")
    return "\n".join(lines) + "\n"


def _dialect(dialect: Dialect) -> str:
    lines = [f"## {dialect.title}\n"]
    if dialect.notes:
        lines.append(dialect.notes + "\n")
    if dialect.exclusive_cache:
        providers = "all providers" if "*" in dialect.exclusive_cache else ", ".join(dialect.exclusive_cache)
        lines.append(f"Writes input tokens without cache reads and writes for: {providers}.\n")
    if dialect.names:
        lines.append("| span name | kind |\n| --- | --- |")
        for rule in dialect.names:
            scope = f" (scope `{rule.scope}…`)" if rule.scope else ""
            pattern = rule.pattern.pattern.replace("|", "\\|")
            lines.append(f"| `{pattern}`{scope} | {rule.kind} |")
        lines.append("")
    if dialect.events:
        lines.append("| span event | attribute → fact |\n| --- | --- |")
        for event, keys in dialect.events.items():
            told = ", ".join(f"`{key}` → `{fact}`" for key, fact in keys.items())
            lines.append(f"| `{event}` | {told} |")
        lines.append("")
    if dialect.logs:
        lines.append("| log record | operation | attribute → fact |\n| --- | --- | --- |")
        for event, run in dialect.logs.items():
            told = ", ".join(f"`{key}` → `{fact}`" for key, fact in run.keys.items())
            lines.append(f"| `{event}` | `{run.operation}` | {told} |")
        lines.append("")
    if dialect.keys or dialect.groups:
        lines.append("| key | fact |\n| --- | --- |")
        lines.extend(f"| `{key}` | `{fact}` |" for key, fact in dialect.keys.items())
        lines.extend(f"| `{prefix}*` | `{fact}` (group) |" for prefix, fact in dialect.groups.items())
        lines.append("")
    return "\n".join(lines)
