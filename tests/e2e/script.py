"""What a model provider is told to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tokens:
    """Tokens in the ledger's convention: `input` includes `cached` (cache reads) and `written` (cache writes), `output`
    includes `reasoning`. Each API reports them in its own."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0
    written: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.written + other.written,
        )


@dataclass(frozen=True)
class ToolCall:
    """A call that the model asks for. `id` is given by the provider: call_1, call_2, …"""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer of the model: text or tool calls, and what it cost in tokens."""

    tokens: Tokens
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    model: str | None = None
    """The model that answers; the one asked for by default."""


@dataclass(frozen=True)
class Failure:
    """An HTTP error in the place of an answer."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Numbered:
    """A reply on its way out: with its ids and the model's name."""

    id: str
    model: str
    text: str
    calls: tuple[tuple[str, ToolCall], ...]
    tokens: Tokens
