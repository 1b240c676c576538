"""Cross-origin requests: telemetry from pages in browsers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spanledger.receiver.settings import Cors

_OTLP_HEADERS = ("accept", "authorization", "baggage", "content-encoding", "content-type", "traceparent", "tracestate")
"""Request headers that OTLP clients in browsers send; `x-api-key` too, for Lunary's."""


class CorsPolicy:
    """Answers preflights and marks responses, for the configured origins."""

    def __init__(self, settings: Cors) -> None:
        patterns = [".*".join(re.escape(part) for part in origin.split("*")) for origin in settings.allowed_origins]
        self._origins = re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)
        self._any_header = "*" in settings.allowed_headers
        self._headers = ", ".join((*_OTLP_HEADERS, "x-api-key", *settings.allowed_headers))
        self._exposed = ", ".join(settings.exposed_headers)
        self._max_age = settings.max_age

    def allows(self, origin: str) -> bool:
        return self._origins.fullmatch(origin) is not None

    def response_headers(self, origin: str) -> dict[str, str]:
        """Headers for a response to an allowed origin. It is repeated, not `*`, because browsers refuse `*` together
        with credentials."""
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }
        if self._exposed:
            headers["Access-Control-Expose-Headers"] = self._exposed
        return headers

    def preflight_headers(self, request_headers: Mapping[str, str]) -> dict[str, str]:
        """Headers for the answer to an OPTIONS request that asks before the real one."""
        asked = request_headers.get("Access-Control-Request-Headers", "")
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": asked if self._any_header and asked else self._headers,
        }
        if self._max_age:
            headers["Access-Control-Max-Age"] = str(self._max_age)
        return headers
