"""One span about spanledger itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from enum import IntEnum
from types import TracebackType
from typing import Final, TypeAlias

from spanledger.tracing.context import SpanContext

Value: TypeAlias = str | int | float | bool


class Kind(IntEnum):
    """`Span.SpanKind` of OTLP."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


_TEXT_AT_MOST: Final = 1024
"""Characters of a reason: it may quote what a store answered."""


class Span:
    """Work that goes on, or has ended. As a context manager it is what spans begun inside belong to, and ends with the
    block; an exception that leaves the block is its error."""

    __slots__ = (
        "_end",
        "_token",
        "attributes",
        "context",
        "dropped",
        "end_ns",
        "error",
        "events",
        "kind",
        "links",
        "name",
        "parent_id",
        "start_ns",
    )

    def __init__(
        self,
        context: SpanContext,
        name: str = "",
        kind: Kind = Kind.INTERNAL,
        *,
        parent_id: bytes = b"",
        links: Sequence[SpanContext] = (),
        end: Callable[[Span], None] | None = None,
    ) -> None:
        """`end` takes the span when it has ended; without, nobody will see it."""
        self.context = context
        self.name = name
        self.kind = kind
        self.parent_id = parent_id
        self.links = links
        self.attributes: dict[str, Value] = {}
        self.events: list[tuple[int, str, Mapping[str, Value]]] = []
        """Nanoseconds since the Unix epoch, name, attributes."""
        self.dropped = 0
        """Events beyond the limit."""
        self.error: str | None = None
        """Why the status is one of error."""
        self.start_ns = time.time_ns()
        self.end_ns = 0
        self._end = end
        self._token: Token[Span] | None = None

    @property
    def recorded(self) -> bool:
        """Whether anybody will see it."""
        return self._end is not None

    def set(self, **attributes: Value) -> None:
        """Attributes with plain names; those with dots go to `attributes` itself."""
        if self._end is not None:
            self.attributes.update(attributes)

    def event(self, name: str, **attributes: Value) -> None:
        """Something happened now. Of endless retries the first and the last are kept."""
        if self._end is not None:
            if len(self.events) >= _EVENTS_AT_MOST:
                self.events.pop()
                self.dropped += 1
            self.events.append((time.time_ns(), name, attributes))

    def fail(self, reason: str) -> None:
        """It did not do what it should."""
        if self._end is not None:
            self.error = reason[:_TEXT_AT_MOST]

    def drop(self) -> None:
        """Nobody shall see it, nor what begins inside of it from here on."""
        if self._end is not None:
            self._end = None
            self.context = SpanContext(self.context.trace_id, self.context.span_id, sampled=False)

    def __enter__(self) -> Span:
        if self is not NO_SPAN:
            self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        CURRENT.reset(self._token)
        self._token = None
        if self._end is not None:
            if error is not None and self.error is None:
                self.fail(f"{type(error).__name__}: {error}".removesuffix(": "))
            self.end_ns = max(time.time_ns(), self.start_ns)
            self._end(self)


_EVENTS_AT_MOST: Final = 128
NO_SPAN: Final = Span(SpanContext(bytes(16), bytes(8), sampled=False))
"""While nobody wants spans."""
CURRENT: Final[ContextVar[Span]] = ContextVar("spanledger-span", default=NO_SPAN)
"""The span that those begun now belong to."""


def current_span() -> Span:
    """The span that those begun now belong to."""
    return CURRENT.get()
