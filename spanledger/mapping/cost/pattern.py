"""Regular expressions that match in time proportional to the text, whatever the pattern.

Python's `re` backtracks: `(a+)+b` against thirty a's takes minutes, and there is no time limit. Override patterns come
from users and model names from anyone, so this matches by running all alternatives side by side (Thompson 1968). The
supported language is that of RE2 without captures: literals, `.`, classes, `\\d \\w \\s` and their opposites, groups,
`|`, `* + ? {m,n}`. Matching is against the whole text and ignores case.
"""

from __future__ import annotations

import re
from typing import Final

MAX_PATTERN: Final = 200
_MAX_STATES: Final = 1_000
_MAX_REPEAT: Final = 64
_REPEAT: Final = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_SET_SYNTAX: Final = re.compile(r"(?<!\\)(?:\[|--|&&|~~|\|\|)")
"""What Python's `re` warns of, since it may mean set operations one day."""
_FLAGS: Final = re.IGNORECASE | re.DOTALL

_SPLIT: Final = None


class Pattern:
    """A compiled pattern. Raises ValueError for what is not supported."""

    __slots__ = ("_accept", "_start", "_states", "literal_prefix")

    def __init__(self, source: str) -> None:
        if len(source) > MAX_PATTERN:
            raise ValueError(f"pattern has {len(source)} characters, at most {MAX_PATTERN} are allowed")
        parser = _Parser(source)
        self._states = parser.states
        self._start, self._accept = parser.parse()
        self.literal_prefix = literal_prefix(source)
        """The text that every match starts with, for choosing the most specific of several patterns."""

    def fullmatch(self, text: str) -> bool:
        """Whether the whole text matches."""
        current = self._closure({self._start})
        for character in text:
            following = set()
            for state in current:
                atom, targets = self._states[state]
                if atom is not None and atom.fullmatch(character):
                    following.add(targets[0])
            if not following:
                return False
            current = self._closure(following)
        return self._accept in current

    def _closure(self, states: set[int]) -> set[int]:
        pending = list(states)
        while pending:
            atom, targets = self._states[pending.pop()]
            if atom is _SPLIT:
                for target in targets:
                    if target not in states:
                        states.add(target)
                        pending.append(target)
        return states


class _Parser:
    """Recursive descent over a pattern, into states (atom, targets): an atom eats one character, `_SPLIT` none."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.states: list[tuple[re.Pattern[str] | None, list[int]]] = []

    def parse(self) -> tuple[int, int]:
        """(Start, accepting state)."""
        fragment = self._alternatives(0)
        if self.at < len(self.source):
            raise self._error("unbalanced )")
        return fragment

    def _alternatives(self, depth: int) -> tuple[int, int]:
        if depth > 20:
            raise self._error("groups are nested too deeply")
        branches = [self._sequence(depth)]
        while self.source[self.at : self.at + 1] == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]
        end = self._state(_SPLIT)
        start = self._state(_SPLIT, *(first for first, _ in branches))
        for _, last in branches:
            self.states[last][1].append(end)
        return start, end

    def _sequence(self, depth: int) -> tuple[int, int]:
        start = end = self._state(_SPLIT)
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            begin = self.at
            first, last = self._item(depth)
            after = self.at
            least, most = self._quantifier()
            resume = self.at
            # Repetition copies the item, so that {m,n} needs no counters.
            pieces = [(first, last)]
            for _ in range(max(least, most or least) - 1):
                self.at = begin
                pieces.append(self._item(depth))
                assert self.at == after  # noqa: S101
            self.at = resume
            end = self._repeat(end, pieces, least, most)
        return start, end

    def _repeat(self, end: int, pieces: list[tuple[int, int]], least: int, most: int | None) -> int:
        if most == 0:
            return end
        exit_ = self._state(_SPLIT)
        for number, (first, last) in enumerate(pieces):
            self.states[end][1].append(first)
            if number >= least:
                self.states[end][1].append(exit_)
            end = self._state(_SPLIT)
            self.states[last][1].append(end)
        if most is None:
            self.states[end][1].append(pieces[-1][0])
        self.states[end][1].append(exit_)
        return exit_

    def _quantifier(self) -> tuple[int, int | None]:
        character = self.source[self.at : self.at + 1]
        least, most = 1, 1 if character not in ("*", "+") else None
        if character in ("*", "+", "?"):
            self.at += 1
            least = 1 if character == "+" else 0
        elif repeat := _REPEAT.match(self.source, self.at):
            least = int(repeat[1])
            most = least if repeat[2] is None else int(repeat[3]) if repeat[3] else None
            if max(least, most or 0) > _MAX_REPEAT or (most is not None and most < least):
                raise self._error(f"repetition must be ascending and at most {_MAX_REPEAT}")
            self.at = repeat.end()
        else:
            return 1, 1
        if self.source[self.at : self.at + 1] in ("*", "+", "?", "{"):
            if self.source[self.at] == "?":  # laziness makes no difference to whether the whole text matches
                self.at += 1
            else:
                raise self._error("one repetition directly after another")
        return least, most

    def _item(self, depth: int) -> tuple[int, int]:
        source = self.source
        character = source[self.at]
        if character == "(":
            self.at += 1
            if source[self.at : self.at + 1] == "?":
                if source[self.at : self.at + 2] != "?:":
                    raise self._error("only plain groups and (?:…) are supported, no lookaround, names or flags")
                self.at += 2
            fragment = self._alternatives(depth + 1)
            if source[self.at : self.at + 1] != ")":
                raise self._error("missing )")
            self.at += 1
            return fragment
        if character in "*+?{":
            raise self._error("nothing to repeat")
        if character in "^$":
            raise self._error(f"{character} is not needed: the whole name is always matched; write \\{character}")
        end = self.at + 1
        if character == "[":
            found = _CLASS.match(source, self.at)
            if found is None:
                raise self._error("missing ]")
            end = found.end()
            if _SET_SYNTAX.search(found[0], 1):
                raise self._error("write \\[ - & ~ | with a backslash inside [ ]")
        elif character == "\\":
            end += 1
            escaped = source[self.at + 1 : end]
            if not escaped or (escaped.isalnum() and escaped not in "dDwWsS"):
                raise self._error(f"unsupported escape \\{escaped}")
        text = source[self.at : end]
        try:
            atom = re.compile(text if len(text) > 1 or text == "." else re.escape(text), _FLAGS)
        except re.error as error:
            raise self._error(str(error)) from None
        self.at = end
        state = self._state(atom)
        after = self._state(_SPLIT)
        self.states[state][1].append(after)
        return state, after

    def _state(self, atom: re.Pattern[str] | None, *targets: int) -> int:
        if len(self.states) >= _MAX_STATES:
            raise self._error("too large with its repetitions written out")
        self.states.append((atom, list(targets)))
        return len(self.states) - 1

    def _error(self, what: str) -> ValueError:
        return ValueError(f"pattern {self.source!r}: {what} (at character {self.at + 1})")


def literal_prefix(source: str) -> str:
    """Characters of a pattern up to the first one that is not literal."""
    prefix = ""
    at = 0
    while at < len(source):
        character = source[at]
        if character == "\\" and not source[at + 1 : at + 2].isalnum():
            at += 1
            character = source[at : at + 1]
        elif character in "\\.[(|*+?{^$)":
            break
        if source[at + 1 : at + 2] in ("*", "?", "{"):
            break
        prefix += character
        at += 1
    return prefix if "|" not in source else ""
