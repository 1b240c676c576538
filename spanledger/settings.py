"""What every component's settings are made of: the base model, durations, sizes, endpoints, secrets.

A leaf module: receivers, pipeline, exporters and extensions declare their settings with it, and `spanledger.config`
fills them from YAML. Keys and units are the OpenTelemetry Collector's, so that its configurations keep their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, SecretStr, WithJsonSchema

__all__ = ["Duration", "Endpoint", "Secret", "Settings", "format_duration", "parse_duration", "split_endpoint"]

Secret = SecretStr
"""A value that no log, error or printed configuration shows; `get_secret_value()` gives it to its one user."""


class Settings(BaseModel):
    """Base of all settings. Unknown keys are errors; settings never change after loading; errors never quote input,
    because it may hold a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    def without_effect(self) -> Iterator[str]:
        """What these settings ask for and will not happen, one sentence each that begins with the key."""
        yield from ()

    def accepted_only(self) -> Iterator[str]:
        """The same for keys whose own description says that they are accepted, or without effect, and nothing more:
        those that were given another value than they have anyway."""
        for name in sorted(self.model_fields_set):
            field = type(self).model_fields[name]
            found = _ACCEPTED.match(field.description or "")
            if found is not None and getattr(self, name) != field.get_default(call_default_factory=True):
                why = found["why"].rstrip(".").replace("`", "")
                yield f"{field.alias or name} has no effect" + (f"; {why}" if why else "")


_ACCEPTED: Final = re.compile(
    r"(?:Accepted|Without effect)(?:[;:,.] ?(?:without effect[,.]? ?)?|$)(?P<why>.*)", re.DOTALL
)

_UNIT_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM: Final = re.compile(r"((?:\d+(?:\.\d*)?|\.\d+))(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds from a Go duration: `300ms`, `1.5h`, `2h45m`, `0`. Raises `ValueError`."""
    body = text.removeprefix("-").removeprefix("+")
    if body == "0":
        return 0.0
    at = total = 0
    while at < len(body):
        term = _TERM.match(body, at)
        if term is None:
            at = -1
            break
        total += round(float(term[1]) * _UNIT_NANOSECONDS[term[2]])
        at = term.end()
    if at <= 0:
        raise ValueError("expected a duration with a unit (ns, us, ms, s, m, h), such as 300ms, 5s or 1h30m")
    return (-total if text.startswith("-") else total) / 1e9


def format_duration(seconds: float) -> str:
    """The shortest usual form of a duration in seconds: `5s`, `200ms`, `1h30m`."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    text = "-" if nanoseconds < 0 else ""
    left = abs(nanoseconds)
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        count, left = divmod(left, _UNIT_NANOSECONDS[unit])
        if count:
            text += f"{count}{unit}"
    return text


def _duration(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, float):
        return value  # from code: configurations give numbers with a fraction as text
    if value == 0 and not isinstance(value, bool):
        return 0.0
    raise ValueError("expected a duration with a unit (ns, us, ms, s, m, h), such as 300ms, 5s or 1h30m")


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["200ms", "5s", "1h30m"]}),
]
"""Seconds, written as a Go duration; a number without a unit is a mistake. Code gives plain seconds as a float."""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """(host, port) of `host:port`, `[::1]:port` or `:port` (all interfaces: host ""). Raises `ValueError`."""
    host, colon, port = endpoint.rpartition(":")
    if host.startswith("["):
        if not host.endswith("]"):
            colon = ""
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("expected host:port; an IPv6 address stands in brackets, such as [::1]:4318")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or "/" in host:
        raise ValueError("expected host:port, such as 127.0.0.1:4318 or 0.0.0.0:4318")
    return host, int(port)


def _endpoint(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected host:port, such as 127.0.0.1:4318 or 0.0.0.0:4318")
    split_endpoint(value)
    return value


Endpoint = Annotated[
    str, BeforeValidator(_endpoint), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:4318"]})
]
"""`host:port` to listen on. Port 0 takes any free port."""
