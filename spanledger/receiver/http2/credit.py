"""How much a peer may send that carries nothing: what an attacker sends at no cost costs us something. CVE-2019-9511 to
9518, CVE-2023-44487 and CVE-2024-27316 are all of this kind."""

from __future__ import annotations

from typing import Final

from spanledger.receiver.http2.frames import ErrorCode, Violation

_AT_MOST: Final = 1000
_PER_SECOND: Final = 100.0
_PER_ANSWER: Final = 4
"""Go's clients ping with each answer to learn the bandwidth, and widen windows as often."""


class Credit:
    """Of one connection. Time and requests renew it."""

    __slots__ = ("_left", "_since")

    def __init__(self, now: float) -> None:
        self._left = _AT_MOST
        self._since = now

    def spend(self, now: float) -> None:
        """For a frame that carries nothing. Raises `Violation` when there were too many."""
        self._left -= 1
        if self._left < 0:
            self._left += min(int((now - self._since) * _PER_SECOND), _AT_MOST)
            self._since = now
            if self._left < 0:
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def renew(self) -> None:
        """A request was answered."""
        if self._left < _AT_MOST:
            self._left += _PER_ANSWER
