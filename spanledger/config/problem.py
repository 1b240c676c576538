"""Mistakes in a configuration, and the one error that carries all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from spanledger.errors import ConfigError

if TYPE_CHECKING:
    from spanledger.config.tree import Origin


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, with all a person needs to mend it."""

    path: tuple[str, ...]
    """Keys from the top to the place; shown joined by `::`."""
    message: str
    """What is wrong; the Collector's own text where it has one."""
    origin: Origin | None = None
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None
    """The valid name that looks most like what was found."""

    def __str__(self) -> str:
        head = [str(part) for part in (self.origin, "::".join(self.path)) if part]
        lines = [": ".join([*head, self.message])]
        lines += [
            f"    {label:<14}{text}"
            for label, text in (("found", self.found), ("expected", self.expected), ("did you mean", self.nearest))
            if text is not None
        ]
        return "\n".join(lines)


class InvalidConfiguration(ConfigError):
    """The configuration has mistakes; `problems` holds every one that could be seen in one reading."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = f"{len(problems)} errors" if len(problems) > 1 else "1 error"
        super().__init__("\n".join([f"invalid configuration: {count}", *map(str, problems)]))
        self.problems = list(problems)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that was most likely meant, None where nothing is close."""
    by_folded = {candidate.casefold().replace("-", "_"): candidate for candidate in valid}
    close = get_close_matches(name.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def one_of(valid: Iterable[str]) -> str:
    """`one of a, b, c`, for `Problem.expected`."""
    names = sorted(valid)
    if not names:
        return "no key at all"
    return f"one of {', '.join(names)}" if len(names) > 1 else names[0]
