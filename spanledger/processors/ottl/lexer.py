"""Text of a statement into tokens (pkg/ottl/LANGUAGE.md of opentelemetry-collector-contrib)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spanledger.processors.ottl.errors import OttlSyntaxError

LONGEST: Final = 65_536
"""Characters of a statement."""


class Kind(StrEnum):
    STRING = "string"
    FLOAT = "float"
    INT = "int"
    BYTES = "bytes"
    NAME = "name"
    OPERATOR = "operator"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else repr(self.text)


_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<bytes>0x[0-9a-fA-F]+)
    | (?P<float>\d*\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)
    | (?P<int>\d+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator>==|!=|<=|>=|[-+*/<>=().,:{}\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'", "a": "\a", "b": "\b", "f": "\f"}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


def tokens(text: str) -> list[Token]:
    """Tokens of a statement, the last of kind END. Raises `OttlSyntaxError`."""
    if len(text) > LONGEST:
        raise OttlSyntaxError(f"longer than {LONGEST} characters", text, LONGEST)
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise OttlSyntaxError(f"unexpected {text[at]!r}", text, at)
        if match.lastgroup != "space":
            found.append(Token(Kind(match.lastgroup or ""), match[0], at))
        at = match.end()
    found.append(Token(Kind.END, "", len(text)))
    return found


def unquoted(token: Token, text: str) -> str:
    """What a string literal means. Unknown escapes stay as written: patterns are full of them."""

    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        return _ESCAPES.get(escape, match[0])

    return _ESCAPE.sub(replace, token.text[1:-1])
