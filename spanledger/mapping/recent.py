"""A memory of what was of use lately, as small as Python makes one."""

from __future__ import annotations

from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """At most `limit` entries; half of them, those that nobody asked for or put there for longest, go at once.

    An OrderedDict, which lets them go one by one, takes half as much again for small entries, and must be told of each
    use of one.
    """

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._new: dict[_K, _V] = {}
        self._old: dict[_K, _V] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def __contains__(self, key: _K) -> bool:
        return key in self._new or key in self._old

    def get(self, key: _K) -> _V | None:
        """The entry of a key, which is kept for longer with this."""
        found = self._new.get(key)
        if found is None and self._old:
            found = self._old.pop(key, None)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: _K, value: _V) -> None:
        """Remember an entry in place of the one before. None is none."""
        if len(self._new) >= self._half and key not in self._new:
            self._old, self._new = self._new, {}
        self._new[key] = value

    def pop(self, key: _K) -> _V | None:
        """Forget an entry."""
        found = self._new.pop(key, None)
        before = self._old.pop(key, None)
        return found if found is not None else before
