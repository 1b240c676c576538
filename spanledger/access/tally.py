"""What projects have used, in a file that the processes of one machine share: limits hold for all of them together, and
a day's quota is not given anew by a restart."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

_KEY_BYTES: Final = 16
_NUMBERS: Final = struct.Struct("<8d")
_SLOT_BYTES: Final = _KEY_BYTES + _NUMBERS.size
_SLOTS: Final = 16_384
"""Projects with limits; those beyond are counted by each process alone."""


class Tally:
    """A table of slots, found by the hash of a name."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{path.parent} belongs to somebody else")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if os.fstat(self._descriptor).st_size < _SLOTS * _SLOT_BYTES:
            os.ftruncate(self._descriptor, _SLOTS * _SLOT_BYTES)
        self._memory = mmap.mmap(self._descriptor, _SLOTS * _SLOT_BYTES)

    def slot(self, name: str) -> Slot | None:
        """The slot of a name, taken when it has none; None when all are taken."""
        key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]
        first = int.from_bytes(key[:8], "little")
        with self._locked(0, 0):
            for step in range(_SLOTS):
                at = (first + step) % _SLOTS * _SLOT_BYTES
                held = self._memory[at : at + _KEY_BYTES]
                if held == bytes(_KEY_BYTES):
                    self._memory[at : at + _KEY_BYTES] = held = key
                if held == key:
                    return Slot(self, at + _KEY_BYTES)
        return None

    @contextmanager
    def numbers(self, at: int) -> Iterator[list[float]]:
        """The numbers of a slot, to be changed in place."""
        with self._locked(at, _NUMBERS.size):
            found = list(_NUMBERS.unpack_from(self._memory, at))
            try:
                yield found
            finally:
                _NUMBERS.pack_into(self._memory, at, *found)

    def close(self) -> None:
        """Let go of the file."""
        self._memory.close()
        os.close(self._descriptor)

    @contextmanager
    def _locked(self, at: int, size: int) -> Iterator[None]:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, size, at)
        except OSError:
            # Somebody is at it, for a microsecond or because he was stopped just then. Nobody waits for that: the worst
            # is a request that is not counted.
            yield
            return
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, size, at)


class Slot:
    """Eight numbers, zero at first."""

    __slots__ = ("_at", "_tally")

    def __init__(self, tally: Tally, at: int) -> None:
        self._tally = tally
        self._at = at

    def numbers(self) -> AbstractContextManager[list[float]]:
        """As `Tally.numbers`."""
        return self._tally.numbers(self._at)
