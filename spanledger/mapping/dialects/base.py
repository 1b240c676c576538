"""What a dialect is: a table of attribute keys and how its kinds, scopes and noise are told. Data, hardly any code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from spanledger.model.span import Value

LLM: Final = "llm"
EMBED: Final = "embed"
RERANK: Final = "rerank"
RETRIEVER: Final = "retriever"
TOOL: Final = "tool"
AGENT: Final = "agent"
CHAIN: Final = "chain"
GUARDRAIL: Final = "guardrail"
EVALUATOR: Final = "evaluator"
SKIP: Final = "skip"
"""Not a run: its children are handed to its parent, its facts donated to the trace."""
MERGE: Final = "merge"
"""Not a run of its own: its facts fill the gaps of its parent's run."""
WRAP: Final = "wrap"
"""Not a run of its own: its facts fill the gaps of the model calls right below it."""
WEAK_CHAIN: Final = "weak chain"
"""A run only when a run of a stronger kind stands below it."""
FUNCTION: Final = "function"
"""A function that the application marked: a chain when runs stand below it, else a tool."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """An attribute that tells the kind of run: its key, the rank among all such signals, and its values.

    Values are looked up in lower case. `*` catches every other value; without it an unknown value says nothing.
    `suffixes` is tried after `values`, for kinds told by the end of a class name.
    """

    key: str
    rank: int
    values: Mapping[str, str]
    suffixes: tuple[tuple[str, str], ...] = ()
    member: str = ""
    """Where the attribute is a JSON object, which of its members tells."""


@dataclass(frozen=True, slots=True)
class SpanName:
    """A span name that tells the kind where no attribute does, or that marks noise when `overrides` is set.

    `scope` limits the rule to one instrumentation scope (prefix)."""

    pattern: re.Pattern[str]
    kind: str
    scope: str = ""
    overrides: bool = False


@dataclass(frozen=True, slots=True)
class LogRun:
    """A log record that is a run: coding agents tell their whole session in log records, often without any span.

    `operation` is what the conventions would call it. `identity` names the attributes that identify the run, so that
    several records (a decision and a result) state facts of one; with `joins` a record without them is no run.
    """

    operation: str
    keys: Mapping[str, str] = field(default_factory=dict)
    """Attribute key → slot, where this record means another thing than a span with the key would."""
    facts: Mapping[str, Value] = field(default_factory=dict)
    """Attributes that the record does not carry and every one of its kind would."""
    identity: tuple[str, ...] = ()
    joins: bool = False
    root: bool = False
    """It begins a turn (or a session, where the agent does not number turns): the others stand below it."""
    only: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    """Attributes that must have one of these values."""
    failed: bool = False
    """It tells of a failure. A record that only sometimes does is a run where it states an error or an HTTP status
    of 400 and more, see `only_failed`."""
    only_failed: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of writing facts.

    `keys` maps attribute keys to slots of `spanledger.mapping.facts.Facts`; an earlier key wins over a later one of
    the same slot, and a dialect with a lower `rank` wins over one with a higher. `groups` maps key prefixes to slots
    that gather everything below them. `markers` are slots that only this dialect fills.
    """

    code: str
    title: str
    rank: int
    keys: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[Kinds, ...] = ()
    scopes: tuple[str, ...] = ()
    names: tuple[SpanName, ...] = ()
    events: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Span events whose attributes are facts of the span: event name → attribute key → slot."""
    logs: Mapping[str, LogRun] = field(default_factory=dict)
    """Log records that are runs, by the name of their event."""
    markers: tuple[str, ...] = ()
    absent: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    exclusive_cache: tuple[str, ...] = ()
    """Providers for which this emitter writes input tokens without cache reads and writes; `*` for all."""
    notes: str = ""


def name(pattern: str, kind: str, *, scope: str = "", overrides: bool = False) -> SpanName:
    """A `SpanName` from a regular expression that must match the whole name."""
    return SpanName(re.compile(pattern), kind, scope, overrides)
