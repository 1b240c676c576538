"""What `url_sanitizer` and `db_sanitizer` of the processor `redaction` leave of URLs and of queries.

Every function takes time in proportion to its text, and hides the rest of a text that it cannot follow to its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

_MASK: Final = "?"
_SEGMENTS: Final = 10
"""Of a path; what lies deeper is left out, as by the Collector."""
_WORD: Final = re.compile(r"(?:[A-Za-z][^A-Za-z _.-])?[A-Za-z _.-]*")
"""Letters, and one other character behind the first: `v1`."""
_CONSONANTS: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)?([^/?#]*)")


def sanitized_url(url: str) -> str:
    """The URL without its query, its fragment and its user; segments of its path that are no words become `*`."""
    absolute = _ABSOLUTE.match(url)
    start = absolute[1] + absolute[2] if absolute else ""
    path = re.split(r"[?&#]", url[absolute.end() :] if absolute else url, maxsplit=1)[0]
    segments = path.split("/")[:_SEGMENTS]
    return start + "/".join(segment if _is_word(segment) else "*" for segment in segments)


def _is_word(segment: str) -> bool:
    return _WORD.fullmatch(segment) is not None and _CONSONANTS.search(segment) is None


_SQL: Final = re.compile(
    r"(?P<comment>--[^\n]*|/\*)"
    r"|(?P<dollar>\$(?:[A-Za-z_]\w*)?\$)"
    r"|(?P<prefix>\b(?:[EeNnBbXx]|_\w+|[Uu]&))?'"
    r'|(?P<double>")|(?P<backtick>`)|(?P<bracket>\[(?=[A-Za-z_]))'
    r"|(?P<placeholder>\$\d+\b)"
    r"|(?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
)
_BACKSLASHES: Final = frozenset({"mysql", "mariadb"})
"""Systems in whose strings a backslash escapes, and whose double quotes are strings."""


_STATEMENT: Final = re.compile(
    r"\s*(?:SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|REPLACE\s+INTO|MERGE\s+INTO|WITH\s+\S+\s+AS"
    r"|(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:TABLE|INDEX|VIEW|DATABASE|SCHEMA|USER|ROLE))\b",
    re.IGNORECASE | re.DOTALL,
)


def sanitized_sql(query: str, system: str = "") -> str:
    """The query with `?` in the place of literals and digits, without comments. What quotes mean depends on the system;
    where that is not known, nothing is shown of what lies behind a doubtful one."""
    found: list[str] = []
    at = 0
    while (token := _SQL.search(query, at)) is not None:
        found.append(query[at : token.start()])
        kind = token.lastgroup
        if kind == "comment":
            end = token.end() if token[0] != "/*" else _behind(query, "*/", token.end())
        elif kind == "dollar":
            end = _behind(query, token[0], token.end())
            found.append(_MASK)
        elif kind in ("placeholder", "number"):
            end = token.end()
            found.append(token[0] if kind == "placeholder" else _MASK)
        elif kind in ("backtick", "bracket"):
            end = _behind(query, "`" if kind == "backtick" else "]", token.end())
            found.append(query[token.start() : end])
        else:
            double = kind == "double"
            end = _end_of_string(query, token.end(), '"' if double else "'", token["prefix"] or "", system)
            is_name = double and system == "postgresql"
            found.append(query[token.start() : end] if is_name else _MASK)
        at = end
    found.append(query[at:])
    return "".join(found).strip()


def _behind(text: str, mark: str, start: int) -> int:
    at = text.find(mark, start)
    return len(text) if at < 0 else at + len(mark)


def _end_of_string(query: str, start: int, quote: str, prefix: str, system: str) -> int:
    escapes = system in _BACKSLASHES or prefix.lower() == "e"
    at = start
    while (at := query.find(quote, at)) >= 0:
        slashes = 0
        while at - slashes > start and query[at - slashes - 1] == "\\":
            slashes += 1
        if slashes % 2 and escapes:
            at += 1
        elif slashes and not escapes and not system:
            return len(query)  # it may go on behind this quote, or may not
        elif query.startswith(quote, at + 1):
            at += 2
        else:
            return at + 1
    return len(query)


def sanitized_redis(command: str, system: str = "") -> str:
    """The names of the commands, one a line; of their arguments nothing, keys included."""
    lines = [line.split(maxsplit=1) for line in command.splitlines() if line.strip()]
    return "\n".join(f"{words[0]} {_MASK}" if len(words) > 1 else words[0] for words in lines)


def sanitized_memcached(command: str, system: str = "") -> str:
    """The line of the command, without the data behind it."""
    return command.split("\n", 1)[0].rstrip()


def sanitized_json(text: str, system: str = "") -> str:
    """The document, or documents of a line each, with `?` in the place of values; `?` where it is none."""
    try:
        return _masked_json(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    try:
        return "\n".join(_masked_json(line) for line in text.splitlines() if line.strip()) or _MASK
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _MASK


def _masked_json(text: str) -> str:
    return msgspec.json.encode(_masked(msgspec.json.decode(text))).decode()


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return _MASK


def is_url(text: str) -> bool:
    """Whether a text is one URL or path, and not a sentence."""
    return "/" in text and not any(map(str.isspace, text))


def is_sql(text: str) -> bool:
    """Whether a text is a statement, and not a sentence."""
    return _STATEMENT.match(text) is not None


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or list, and not only a text."""
    return text.lstrip().startswith(("{", "["))


Sanitizer = Callable[[str, str], str]
SANITIZERS: Final[Mapping[str, tuple[Sanitizer, frozenset[str]]]] = {
    "sql": (sanitized_sql, frozenset({"other_sql", "mysql", "postgresql", "mariadb", "sqlite"})),
    "redis": (sanitized_redis, frozenset({"redis"})),
    "valkey": (sanitized_redis, frozenset({"valkey"})),
    "memcached": (sanitized_memcached, frozenset({"memcached"})),
    "mongo": (sanitized_json, frozenset({"mongodb"})),
    "opensearch": (sanitized_json, frozenset({"opensearch"})),
    "es": (sanitized_json, frozenset({"elasticsearch"})),
}
"""Key of `db_sanitizer` → what it does, and the values of `db.system.name` or `db.system` that it is for."""
