"""What clients tell of runs otherwise than by OTLP: one JSON object each."""

from __future__ import annotations

from typing import Any


class ClientEvent:
    """One event of Lunary's ingest, or one document of a gateway's request log, as it was sent."""

    __slots__ = ("body", "source")

    def __init__(self, source: str, body: dict[str, Any]) -> None:
        self.source = source
        """The encoding it came in: `lunary` or `gateway`."""
        self.body = body
