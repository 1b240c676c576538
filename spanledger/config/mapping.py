"""`service::mapping`: what the mapping keeps of contents, whose cost counts, and how long it remembers.

The settings stand here and not beside the mapping, which is pure and knows no configuration.
"""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from spanledger.mapping import CapturePolicy, MemoryLimits
from spanledger.mapping.cost import Override, PriceList
from spanledger.settings import Duration, Settings

_LONGEST_PATTERN: Final = 500
_MOST_PATTERNS: Final = 100
_LIMITS: Final = MemoryLimits()
_SECOND: Final = 1_000_000_000


def _pattern(source: str) -> str:
    if len(source) > _LONGEST_PATTERN:
        raise ValueError(f"has {len(source)} characters, at most {_LONGEST_PATTERN} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python warns of what may mean something else one day
            found = re.compile(source)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if found.fullmatch(""):
        raise ValueError("matches the empty text, so it would be found between all characters")
    return source


class MemorySettings(Settings):
    """The trace memory: recent spans and log records, kept so that facts which arrive late complete the runs they
    belong to. Whichever bound is met first holds; the trace touched longest ago goes first."""

    max_items: int = Field(default=_LIMITS.max_items, ge=1)
    """Spans and log records of all traces."""
    max_items_per_trace: int = Field(default=_LIMITS.max_items_per_trace, ge=1)
    """Spans and log records of one trace; a larger trace is forgotten, and goes on as if it began anew."""
    max_bytes: int = Field(default=_LIMITS.max_bytes, ge=1)
    """Bytes of the traces remembered, estimated. What traces tell each other takes more beside: about half as much
    for agents, at most as much again."""
    max_age: Duration = Field(default=_LIMITS.max_age_ns / _SECOND, gt=0)
    """How long a trace is remembered after it was last heard of. `extensions::file_storage::warm_up` should reach as
    far back, so that a restart forgets nothing."""


class MappingSettings(Settings):
    """`service::mapping`."""

    content: Literal["always", "never", "opt_in"] = "always"
    """Whether messages, arguments and results are kept. `opt_in`: only those of spans that carry
    `observability: true` as attribute or metadata. Counts, cost and times are kept in any case."""
    max_content_bytes: int | None = Field(default=None, ge=64)
    """Longest text kept, in bytes of UTF-8; a longer one is cut and the run says so. Left out: no bound."""
    redact: list[Annotated[str, AfterValidator(_pattern)]] = Field(default_factory=list, max_length=_MOST_PATTERNS)
    """Regular expressions (Python's); whatever they match in texts is replaced by `[redacted]` before it is stored."""
    cost: Literal["reported", "billed_only", "computed"] = "reported"
    """What a cost that a span states is worth. `reported`: it counts. `billed_only`: it counts where the reporter is
    the one who bills, such as OpenRouter. `computed`: it counts only where the price list cannot price the call."""
    prices: list[Override] = Field(default_factory=list)
    """Prices of your own, which win over both."""
    memory: MemorySettings = MemorySettings()

    def capture(self) -> CapturePolicy | None:
        """What the mapper is given; None where everything is kept as it comes."""
        policy = CapturePolicy(
            content=self.content,
            max_bytes=self.max_content_bytes,
            redact=tuple(re.compile(source) for source in self.redact),
        )
        return None if policy == CapturePolicy() else policy

    def price_list(self) -> PriceList:
        """What calls are priced by. The ids of `prices` were found to be different."""
        return PriceList(self.prices, reported=self.cost)

    def limits(self) -> MemoryLimits:
        """Bounds of the trace memory."""
        memory = self.memory
        return MemoryLimits(
            max_items=memory.max_items,
            max_items_per_trace=memory.max_items_per_trace,
            max_bytes=memory.max_bytes,
            max_age_ns=round(memory.max_age * _SECOND),
        )
