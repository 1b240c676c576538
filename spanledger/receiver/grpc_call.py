"""One call of an Export method, from its head to its answer.

A call takes room for the first window of its stream, which may come before anybody looks. How much larger its message
is, the message says first, and it may come only as far as there is room for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from spanledger.access.authenticator import Sender, sender_of
from spanledger.errors import Overloaded, PayloadError
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding
from spanledger.receiver import grpc_answer
from spanledger.receiver.admission import Reservation
from spanledger.receiver.context import context_of
from spanledger.receiver.grpc_head import Head
from spanledger.receiver.grpc_message import (
    COMPRESSIONS,
    PREFIX_SIZE,
    Message,
    NotCompressed,
    UnknownCompression,
    length_of,
)
from spanledger.receiver.http2 import Connection, ErrorCode, Stream
from spanledger.receiver.status import Code, Failure, failure, failure_of
from spanledger.tracing import NO_SPAN, Span

if TYPE_CHECKING:
    from spanledger.receiver.grpc import Calls

_UNASKED: Final = 64 * 1024
"""Bytes that arrive before anybody reads them: the first window of a stream (RFC 9113, section 6.9.2)."""
_AHEAD: Final = 1 << 20
"""Bytes of a message that may be on their way at least. What has come may come again, so a large one needs few round
trips and cannot take room that it does not fill."""
_ACCEPTED: Final = (b"grpc-accept-encoding", ",".join(("identity", *sorted(COMPRESSIONS))).encode())


class Call(Stream[Head]):
    """Of one sender."""

    __slots__ = (
        "_began",
        "_body",
        "_calls",
        "_done",
        "_head",
        "_message",
        "_received",
        "_reservation",
        "_sender",
        "_task",
    )

    def __init__(self, calls: Calls, connection: Connection[Head], number: int) -> None:
        super().__init__(connection, number)
        self._calls = calls
        self._reservation = Reservation(calls.admission)
        self._sender: Sender | None = None
        self._task: asyncio.Task[None] | None = None
        self._message: Message | None = None
        """One that comes in pieces."""
        self._body: bytes | None = None
        """The whole message, while nobody knows yet who sends it."""
        self._received = 0
        """Bytes of the request's body."""
        self._done = False
        """What comes now is not looked at: the message is complete, or refused."""

    def begin(self, head: Head) -> None:
        calls = self._calls
        self._head = head
        self._began = now = self.connection.now
        if calls.read_timeout:
            self.deadline = now + calls.read_timeout
        if head.timeout is not None and now + head.timeout < self.deadline:
            self.deadline = now + head.timeout
        if head.failure is not None and not head.http:
            self._answer(head.failure)
            return
        try:
            if head.http:
                self._reservation.grow(_UNASKED)
                return
            sender = sender_of(calls.authenticator, head.metadata)
            calls.exports.check(head.signal)
            self._reservation.grow(_UNASKED)
        except Exception as problem:
            self._refuse(problem)
            return
        if isinstance(sender, Sender):
            self._sender = sender
        else:
            self._task = calls.loop.create_task(self._ask(sender))

    def data(self, payload: bytes) -> None:
        head = self._head
        if head.content_length is not None:
            self._received += len(payload)
            if self._received > head.content_length or (self.ended and self._received < head.content_length):
                self.connection.reset(self, ErrorCode.PROTOCOL_ERROR)
                return
        if self._done:
            return
        if head.http:  # no gRPC; it is answered when all has come
            if self.ended:
                self.connection.answer(self, grpc_answer.no_grpc(head.http), grpc_answer.HINT)
                self._leave()
            return
        try:
            self._take(payload)
        except Exception as problem:
            self._refuse(problem)

    def expired(self) -> None:
        timeout = self._head.timeout
        if timeout is not None and self._calls.loop.time() >= self._began + timeout:
            self._answer(failure(Code.DEADLINE_EXCEEDED, "the deadline of the call has passed"))
        elif self._done:
            self.deadline = math.inf
        elif self._head.http:
            self.connection.reset(self, ErrorCode.CANCEL)
        else:
            self._refuse(Overloaded("the message took too long to arrive", retry_after=1))

    def cancelled(self) -> None:
        self._leave()

    def _take(self, payload: bytes) -> None:
        message = self._message
        calls = self._calls
        if message is None:
            if self.ended and len(payload) >= PREFIX_SIZE and not payload[0]:  # all at once, as nearly always
                length = length_of(payload, calls.max_message)
                if length <= len(payload) - PREFIX_SIZE:
                    calls.exports.check_room(length)
                    self._complete(payload[PREFIX_SIZE : PREFIX_SIZE + length])
                    return
            message = self._message = Message(self._head.encoding, calls.max_message, self._reservation.grow)
        known = message.length >= 0
        message.feed(payload)
        if not known and message.length >= 0:
            calls.exports.check_room(message.length)
        if message.body is not None:
            self._complete(message.body)
        elif self.ended:
            raise PayloadError("the call brings no message")
        elif self._sender is not None:
            self._let_come(message)

    def _let_come(self, message: Message) -> None:
        """More of a message, if there is room."""
        missing = message.length - message.received
        ahead = min(missing, max(message.received, _AHEAD))
        if self.window < missing and self.window < ahead // 2 + 1:
            self._reservation.grow(message.received + ahead)
            self.connection.grant(self, ahead - self.window)

    def _complete(self, body: bytes) -> None:
        self._done = True
        self._message = None
        self._reservation.grow(len(body))
        self._reservation.shrink(len(body))
        self.deadline = math.inf if self._head.timeout is None else self._began + self._head.timeout
        if self._sender is not None:
            self._task = self._calls.loop.create_task(self._run(self._sender, body))
        else:
            self._body = body

    async def _ask(self, asked: Awaitable[Sender]) -> None:
        """Who sends, where telling takes long: the message waits for it."""
        try:
            self._sender = sender = await asked
            if self._body is None and self._message is not None:
                self._let_come(self._message)
        except Exception as problem:
            self._task = None
            self._refuse(problem)
            return
        if self._body is not None:
            await self._run(sender, self._body)

    async def _run(self, sender: Sender, body: bytes) -> None:
        exports = self._calls.exports
        if not exports.traced:
            await self._export(sender, body, NO_SPAN)
            return
        with exports.span(self._head.signal, "grpc", self._head.metadata) as span:
            await self._export(sender, body, span)

    async def _export(self, sender: Sender, body: bytes, span: Span) -> None:
        calls = self._calls
        told = self._told(sender) if calls.exports.uses_contexts else NO_CONTEXT
        try:
            accepted = await calls.exports.take(sender, self._head.signal, Encoding.PROTOBUF, body, calls.traffic, told)
        except Exception as problem:
            self._task = None
            answer = self._failure(problem)
            _tell(span, answer)
            self._answer(answer, problem)
        else:
            self._task = None
            self.connection.answer(self, grpc_answer.HEAD, grpc_answer.message(accepted), grpc_answer.OK)
            self._leave()

    def _told(self, sender: Sender) -> RequestContext:
        fields = self._head.fields if self._calls.include_metadata else ()
        return context_of(sender.caller, self.connection.peer, fields)

    def _refuse(self, problem: Exception) -> None:
        """The answer to what is not even handed on."""
        answer = self._failure(problem)
        exports = self._calls.exports
        if exports.traced:
            with exports.span(self._head.signal, "grpc", self._head.metadata) as span:
                _tell(span, answer)
        self._answer(answer, problem)

    def _failure(self, problem: Exception) -> Failure:
        self._calls.traffic.refuse(problem, self._head.signal)
        if isinstance(problem, UnknownCompression):
            return failure(Code.UNIMPLEMENTED, str(problem))
        if isinstance(problem, NotCompressed):
            return failure(Code.INTERNAL, str(problem))
        return failure_of(problem)

    def _answer(self, answer: Failure, problem: Exception | None = None) -> None:
        more = (_ACCEPTED,) if isinstance(problem, UnknownCompression) else ()
        self.connection.answer(self, grpc_answer.refusal(answer, *more))
        self._leave()

    def _leave(self) -> None:
        """Nothing more is done for this call."""
        self._done = True
        self._message = self._body = None
        self._reservation.release()
        if self._task is not None:
            self._task.cancel()
            self._task = None


def _tell(span: Span, answer: Failure) -> None:
    span.set(status=answer.code.name)
    span.fail(answer.message)
