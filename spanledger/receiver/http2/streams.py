"""The streams of a connection: which are open, which are over, and how they end. RFC 9113, section 5.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, ValuesView
from typing import Final, Generic

from spanledger.receiver.http2 import frames
from spanledger.receiver.http2.credit import Credit
from spanledger.receiver.http2.frames import ErrorCode
from spanledger.receiver.http2.output import Output
from spanledger.receiver.http2.stream import Head, Stream

_REMEMBERED: Final = 1000
"""Streams that are over for us and not for the peer: its frames are on their way still."""
_STALLED: Final = 30.0
"""Seconds that a peer may leave an answer unread."""


class Streams(Generic[Head]):
    """Of one connection."""

    __slots__ = ("_begun", "_credit", "_dropped", "_finished", "_loop", "_open", "_output", "_skipped", "last")

    def __init__(self, output: Output, credit: Credit, begun: Callable[[], None], finished: Callable[[], None]) -> None:
        """`begun` is called when there is a stream after there was none, `finished` when there is none any more."""
        self._loop = asyncio.get_running_loop()
        self._output = output
        self._credit = credit
        self._begun = begun
        self._finished = finished
        self._open: dict[int, Stream[Head]] = {}
        self._skipped: dict[int, None] = {}
        self._dropped: dict[int, None] = {}
        self.last = 0
        """The highest number that the peer has used."""

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def get(self, number: int) -> Stream[Head] | None:
        return self._open.get(number)

    def all(self) -> ValuesView[Stream[Head]]:
        return self._open.values()

    def is_idle(self, number: int) -> bool:
        """Whether the peer has not used this number yet."""
        return number > self.last

    def was_skipped(self, number: int) -> bool:
        """Whether the peer left this number out."""
        return number in self._skipped

    def is_dropped(self, number: int) -> bool:
        """Whether we ended this stream, and the peer may not know."""
        return number in self._dropped

    def note(self, number: int) -> None:
        """The peer uses a new number."""
        if number != self.last + 2 and number != 1:
            _remember(self._skipped, range(max(self.last + 2, number - _REMEMBERED) | 1, number, 2))
        self.last = number

    def open(self, stream: Stream[Head]) -> None:
        stream.send_window = self._output.first_window
        if not self._open:
            self._begun()
        self._open[stream.number] = stream

    def answer(self, stream: Stream[Head], head: bytes, body: bytes, trailers: bytes) -> None:
        """The whole answer of a stream; it is over when the peer's windows let all of it through."""
        if stream.number not in self._open:
            return
        self._credit.renew()
        if self._output.answer(stream, head, body, trailers):
            self.over(stream)
        else:
            stream.deadline = self._loop.time() + _STALLED

    def over(self, stream: Stream[Head]) -> None:
        """A stream has its answer."""
        del self._open[stream.number]
        if not stream.ended:
            self.drop(stream.number, ErrorCode.NO_ERROR)
        if not self._open:
            self._finished()

    def reset(self, stream: Stream[Head], code: ErrorCode) -> None:
        """End a stream without an answer."""
        self.drop(stream.number, code)
        self.cancel(stream)

    def cancel(self, stream: Stream[Head]) -> None:
        """A stream is not wanted any more."""
        if self._open.pop(stream.number, None) is None:
            return
        self._output.blocked.pop(stream.number, None)
        stream.cancelled()
        if not self._open:
            self._finished()

    def drop(self, number: int, code: ErrorCode) -> None:
        """Say that a stream is over, and hear nothing more of it."""
        self.ignore(number)
        self._output.write(frames.reset(number, code))

    def ignore(self, number: int) -> None:
        """Hear nothing more of a stream."""
        _remember(self._dropped, (number,))

    def cancel_all(self) -> None:
        """The connection is gone."""
        self._output.blocked.clear()
        streams = list(self._open.values())
        self._open.clear()
        for stream in streams:
            stream.cancelled()


def _remember(numbers: dict[int, None], more: range | tuple[int, ...]) -> None:
    """As many as there is room for, the last ones."""
    numbers.update(dict.fromkeys(more))
    while len(numbers) > _REMEMBERED:
        del numbers[next(iter(numbers))]
