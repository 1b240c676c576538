"""What can be wrong with a statement."""

from __future__ import annotations

from spanledger.errors import ConfigError, SpanledgerError


class OttlSyntaxError(ConfigError):
    """A statement or condition that cannot be understood; the text shows where."""

    def __init__(self, message: str, text: str, position: int) -> None:
        shown = text if len(text) <= 200 else text[:200] + "…"
        super().__init__(f"{message}, at column {position + 1} of: {shown}")


class OttlError(SpanledgerError):
    """A statement that fails on some item: a value of the wrong type, a division by zero."""
