"""Grok patterns as one regular expression: `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}`, as elastic/go-grok."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from spanledger.processors.ottl.patterns import compiled

_REFERENCE: Final = re.compile(r"%\{(\w+)(?::([^:}]+))?(?::(\w+))?\}")
_DEEPEST: Final = 20
_LONGEST: Final = 64 * 1024
_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
}

_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_PATTERNS: Final = {
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "INT": r"[+-]?\d+",
    "POSINT": r"\b[1-9]\d*\b",
    "NONNEGINT": r"\b\d+\b",
    "BASE10NUM": r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)",
    "NUMBER": r"%{BASE10NUM}",
    "BASE16NUM": r"[+-]?(?:0x)?[0-9A-Fa-f]+",
    "BOOL": r"true|false",
    "UUID": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "USERNAME": r"[a-zA-Z0-9._-]+",
    "USER": r"%{USERNAME}",
    "EMAILLOCALPART": r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+",
    "EMAILADDRESS": r"%{EMAILLOCALPART}@%{HOSTNAME}",
    "QUOTEDSTRING": r"""(?:"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*')""",
    "QS": r"%{QUOTEDSTRING}",
    "IPV4": rf"(?:{_OCTET}\.){{3}}{_OCTET}",
    "IPV6": r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:%\w+)?",
    "IP": r"(?:%{IPV6}|%{IPV4})",
    "MAC": r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
    "HOSTNAME": r"\b[0-9A-Za-z](?:[0-9A-Za-z-]{0,62})(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?",
    "IPORHOST": r"(?:%{IP}|%{HOSTNAME})",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "UNIXPATH": r"(?:/[\w_%!$@:.,+~-]*)+",
    "WINPATH": r"(?:[A-Za-z]:|\\)(?:\\[^\\?*]*)+",
    "PATH": r"(?:%{UNIXPATH}|%{WINPATH})",
    "URIPROTO": r"[A-Za-z][A-Za-z0-9+.-]+",
    "URIHOST": r"%{IPORHOST}(?::%{POSINT})?",
    "URIPATH": r"(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+",
    "URIPARAM": r"\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*",
    "URIPATHPARAM": r"%{URIPATH}(?:%{URIPARAM})?",
    "URI": r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    "YEAR": r"(?:\d\d){1,2}",
    "MONTHNUM": r"(?:0?[1-9]|1[0-2])",
    "MONTHDAY": r"(?:0[1-9]|[12]\d|3[01]|[1-9])",
    "MONTH": r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b",
    "DAY": r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b",
    "HOUR": r"(?:2[0-3]|[01]?\d)",
    "MINUTE": r"[0-5]\d",
    "SECOND": r"(?:[0-5]?\d|60)(?:[:.,]\d+)?",
    "TIME": r"%{HOUR}:%{MINUTE}(?::%{SECOND})?",
    "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
    "TIMESTAMP_ISO8601": r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
    "LOGLEVEL": (
        r"(?i:trace|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|alert|"
        r"emerg(?:ency)?)"
    ),
}


class Grok:
    """A pattern, and what its fields are called."""

    def __init__(self, pattern: str, named_only: bool, definitions: Mapping[str, str]) -> None:
        """`named_only`: leave out what has no field of its own. `definitions` come before those that are built in.
        Raises `ValueError`."""
        self._fields: dict[str, tuple[str, Callable[[str], Any]]] = {}
        self._named_only = named_only
        self._definitions = {**_PATTERNS, **definitions}
        self._pattern = compiled(self._expanded(pattern, 0))

    def match(self, text: str) -> dict[str, Any]:
        """Field → value of the first place that fits; empty without one."""
        found = self._pattern.search(text)
        if found is None:
            return {}
        values: dict[str, Any] = {}
        for group, value in found.groupdict().items():
            if value is None:
                continue
            name, convert = self._fields.get(group, (group, str))
            try:
                values[name] = convert(value)
            except ValueError:
                values[name] = value
        return values

    def _expanded(self, pattern: str, depth: int) -> str:
        def one(found: re.Match[str]) -> str:
            name, field, kind = found.groups()
            definition = self._definitions.get(name)
            if definition is None:
                raise ValueError(f"there is no Grok pattern {name}")
            if kind is not None and kind not in _TYPES:
                raise ValueError(f"a Grok field is of one of the types {', '.join(_TYPES)}, not {kind}")
            inner = self._expanded(definition, depth + 1)
            if field is None and (self._named_only or depth):
                return f"(?:{inner})"
            group = f"f{len(self._fields)}"
            self._fields[group] = (field or name, _TYPES[kind or "string"])
            return f"(?P<{group}>{inner})"

        if depth > _DEEPEST:
            raise ValueError("Grok patterns that name each other in a circle")
        expanded = _REFERENCE.sub(one, pattern)
        if len(expanded) > _LONGEST:
            raise ValueError("a Grok pattern that becomes too long")
        return expanded


@lru_cache(maxsize=256)
def grok(pattern: str, named_only: bool, definitions: tuple[str, ...]) -> Grok:
    """A compiled pattern; `definitions` as `NAME=pattern`. Raises `ValueError`."""
    own: dict[str, str] = {}
    for definition in definitions:
        name, equals, meaning = definition.partition("=")
        if not equals or not re.fullmatch(r"\w+", name.strip()):
            raise ValueError("expected pattern definitions such as NAME=pattern")
        own[name.strip()] = meaning
    return Grok(pattern, named_only, own)
