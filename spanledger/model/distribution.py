"""How often values fell between bounds: what a histogram is made of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Distribution:
    """Counts by upper bound, which belongs to its bucket, and the sum of all values. Belongs to one thread; others
    may read, and see the count and the sum of a value one after the other."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float], counts: Sequence[int] | None = None, total: float = 0.0) -> None:
        """`bounds`: growing. `counts`: one more than bounds, the last for what is above all of them."""
        self.bounds = tuple(bounds)
        self.counts = list(counts) if counts is not None else [0] * (len(self.bounds) + 1)
        self.sum = total

    def add(self, value: float) -> None:
        """Note a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: Distribution) -> Distribution:
        """Both together; the bounds must be the same."""
        counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        return Distribution(self.bounds, counts, self.sum + other.sum)

    def copy(self) -> Distribution:
        """As it is now."""
        return Distribution(self.bounds, self.counts, self.sum)
