"""What of the content is kept: all, none, or only where a span asks for it; how much of it; and what is blacked out.

Counts, cost, timing and tokens per second stay in every case. Whatever was taken away is marked in `warnings`:
`content_not_captured`, `content_cut:<field>`, `redacted:<field>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spanledger.mapping.coerce import flag
from spanledger.model.records import Run, RunError
from spanledger.model.span import Value

Content = Literal["always", "never", "opt_in"]

_BLACKED_OUT = "[redacted]"
_FIELDS = ("input", "output", "tools", "prompt", "attributes", "metadata", "user_props")
_CONTENT_FIELDS = ("input", "output", "prompt")
_SHORT_ATTRIBUTE = 128
_STRUCTURE = frozenset({"role", "type", "id", "name", "mime_type", "modality"})
_OPT_IN_KEYS = ("observability", "lunos.observability", "gen_ai.observability")


@dataclass(frozen=True, slots=True)
class CapturePolicy:
    """Content policy. The default keeps everything."""

    content: Content = "always"
    """`opt_in` keeps content only of runs whose span carries `observability: true` as attribute or metadata, as
    gateways with payload logging per request send it."""
    max_bytes: int | None = None
    """Longest text kept, in bytes of UTF-8; longer ones are cut and end in an ellipsis."""
    redact: Sequence[re.Pattern[str]] = ()
    """Whatever matches is replaced wherever text is kept."""

    def apply(self, run: Run) -> None:
        """Reduce a run to what may be kept. Shared values are replaced, never changed in place."""
        if self.content == "never" or (self.content == "opt_in" and not _asks_for_content(run)):
            _drop_content(run)
        if self.redact:
            self._redact(run)
        if self.max_bytes is not None:
            for field in ("input", "output", "tools", "prompt", "attributes"):
                value = getattr(run, field)
                cut = _Cutter(self.max_bytes)
                shorter = cut.shorten(value)
                if cut.happened:
                    setattr(run, field, shorter)
                    _mark(run, f"content_cut:{field}")

    def _redact(self, run: Run) -> None:
        for field in _FIELDS:
            value = getattr(run, field)
            if value:
                clean = _blacked_out(value, self.redact)
                if clean != value:
                    setattr(run, field, clean)
                    _mark(run, f"redacted:{field}")
        for field in ("name", "span_name"):
            setattr(run, field, _blacked_out(getattr(run, field), self.redact))
        error = run.error
        if error is not None:
            run.error = RunError(
                type=error.type,
                message=_blacked_out(error.message, self.redact),
                code=error.code,
                stack=_blacked_out(error.stack, self.redact),
            )


def _asks_for_content(run: Run) -> bool:
    return any(flag(run.metadata.get(key, run.attributes.get(key))) for key in _OPT_IN_KEYS)


def _drop_content(run: Run) -> None:
    """Take all content away; attributes keep short values only, since a message may hide in any long one."""
    dropped = False
    for field in _CONTENT_FIELDS:
        if getattr(run, field) is not None:
            setattr(run, field, None)
            dropped = True
    short = {
        key: value
        for key, value in run.attributes.items()
        if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _SHORT_ATTRIBUTE)
    }
    if len(short) != len(run.attributes):
        run.attributes = short
        dropped = True
    if dropped:
        _mark(run, "content_not_captured")


def _mark(run: Run, warning: str) -> None:
    if warning not in run.warnings:
        run.warnings = [*run.warnings, warning]


def _blacked_out(value: Value, patterns: Sequence[re.Pattern[str]]) -> Value:
    if isinstance(value, str):
        for pattern in patterns:
            value = pattern.sub(_BLACKED_OUT, value)
        return value
    if isinstance(value, dict):
        return {key: _blacked_out(held, patterns) for key, held in value.items()}
    if isinstance(value, list):
        return [_blacked_out(held, patterns) for held in value]
    return value


class _Cutter:
    """Cuts long texts anywhere below a value; the value itself stays as it is when nothing was too long."""

    __slots__ = ("_limit", "happened")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.happened = False

    def shorten(self, value: Value) -> Value:
        if isinstance(value, str):
            if len(value) * 4 <= self._limit:
                return value
            encoded = value.encode("utf-8", "replace")
            if len(encoded) <= self._limit:
                return value
            self.happened = True
            return encoded[: self._limit].decode("utf-8", "ignore") + "…"
        if isinstance(value, dict):
            return {key: held if key in _STRUCTURE else self.shorten(held) for key, held in value.items()}
        if isinstance(value, list):
            return [self.shorten(held) for held in value]
        return value
