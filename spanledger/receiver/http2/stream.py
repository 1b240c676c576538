"""One request and its answer: a stream of HTTP/2 (RFC 9113, section 5)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from spanledger.errors import SpanledgerError
from spanledger.receiver.http2.frames import FIRST_WINDOW

if TYPE_CHECKING:
    from spanledger.receiver.http2.connection import Connection

Head = TypeVar("Head")
"""What a server makes of the fields of a request. It is shared by the requests that have the same fields."""


class Malformed(SpanledgerError):
    """Fields that HTTP does not allow: the stream is reset (section 8.1.1)."""


class Stream(ABC, Generic[Head]):
    """What serves a request. Its methods are called by the connection, in the order of what arrives, and return at
    once; the answer goes to `Connection.answer`, whenever it is there."""

    __slots__ = ("connection", "deadline", "ended", "number", "send_window", "window")

    def __init__(self, connection: Connection[Head], number: int) -> None:
        self.connection = connection
        self.number = number
        self.window = FIRST_WINDOW
        """Bytes that the peer may still send."""
        self.send_window = 0
        """Bytes that may be sent to the peer; the connection keeps it."""
        self.ended = False
        """The peer has said all."""
        self.deadline = math.inf
        """When `expired` is called, by the clock of the event loop."""

    @abstractmethod
    def begin(self, head: Head) -> None:
        """The head is there."""

    @abstractmethod
    def data(self, payload: bytes) -> None:
        """A piece of the body is there, and its end when `ended` is set. What it takes of the window stays taken until
        `Connection.grant` gives it back."""

    @abstractmethod
    def expired(self) -> None:
        """The deadline has passed."""

    @abstractmethod
    def cancelled(self) -> None:
        """The peer does not want the answer any more, or is gone."""
