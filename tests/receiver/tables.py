"""A key table as the mapping would give it, small enough to be seen whole."""

from __future__ import annotations

from spanledger.model.keys import KeyTable
from spanledger.model.span import Span, Value


class ChatSpan(Span):
    __slots__ = ("prompts", "provider", "request_model")

    def __init__(self) -> None:
        super().__init__()
        self.request_model: Value = None
        self.provider: Value = None
        self.prompts: dict[str, Value] | None = None


TABLE = KeyTable(
    span_type=ChatSpan,
    keys={
        "gen_ai.request.model": ("request_model", 0),
        "llm.model_name": ("request_model", 1),
        "gen_ai.system": ("provider", 0),
    },
    prefixes=(("gen_ai.prompt.", "prompts"),),
)
