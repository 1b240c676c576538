"""A sparse index of a log file."""

from __future__ import annotations

from array import array
from typing import Final

from spanledger.pipeline.framing import Head

_MARK_EVERY: Final = 64 * 1024
"""Bytes of file between two marks: looking an entry up reads no more than this."""
MARK_BYTES: Final = 40


class Marks:
    """A sparse index: seq, offset and time of some entries, and what lies before them. Grows at its end while other
    threads look things up."""

    def __init__(self) -> None:
        self.seqs, self.offsets, self.times = array("Q"), array("Q"), array("q")
        self.entries, self.bytes = array("Q"), array("Q")

    def add(self, head: Head, entries: int, size: int) -> None:
        """Note an entry if the last mark is far enough away."""
        if not self.offsets or head.at - self.offsets[-1] >= _MARK_EVERY:
            self.offsets.append(head.at)
            self.times.append(head.received_ns)
            self.entries.append(entries)
            self.bytes.append(size)
            self.seqs.append(head.seq)  # last: a look-up begins with it

    def to_bytes(self) -> bytes:
        """All columns, one after the other."""
        return b"".join(column.tobytes() for column in self._columns())

    @classmethod
    def from_bytes(cls, raw: bytes, count: int) -> Marks:
        """Of `to_bytes`."""
        marks = cls()
        for number, column in enumerate(marks._columns()):
            column.frombytes(raw[number * count * 8 : (number + 1) * count * 8])
        return marks

    def _columns(self) -> tuple[array[int], ...]:
        return self.seqs, self.offsets, self.times, self.entries, self.bytes
