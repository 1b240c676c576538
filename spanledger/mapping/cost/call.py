"""What pricing needs to know of a model call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from spanledger.model.records import Usage


@dataclass(slots=True)
class Call:
    """One model call.

    `provider` is the canonical name (`openai`, `azure.ai.openai`, `aws.bedrock`, …) or None; a name that nobody knows
    is treated as a gateway. `request_model` and `model` (the response's, None where it named none) are as received.
    `usage` follows the inclusive convention; `counts` are counters beside tokens (`requests`, `web_searches`,
    `audio_seconds`, `input_characters`, …; None: those of `usage.extra`), of which only billed ones are read.
    """

    provider: str | None
    request_model: str | None
    model: str | None
    usage: Usage | None
    at_ns: int
    """Start of the span, nanoseconds since the Unix epoch."""
    service_tier: str | None = None
    """The response's tier where it named one, else the request's: `flex`, `priority`, `batch`, …"""
    batch: bool = False
    region: str | None = None
    """Cloud region; not read yet: genai-prices 0.2.3 tells regions apart by the geography in Bedrock ids alone."""
    reported: Decimal | None = None
    """USD, as an instrumentation or gateway stated it."""
    reported_billed: bool = False
    """The reporter is the one who bills (OpenRouter, a LiteLLM proxy), so its number is no estimate."""
    cached: bool = False
    """Answered from a gateway's response cache."""
    type: str = "llm"
    """The run's type. `embed` and `rerank` have no output that is billed."""
    counts: Mapping[str, int | float] | None = None
