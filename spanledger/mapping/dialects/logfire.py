"""Logfire SDK: LLM integrations that keep whole request and response bodies, manual spans, pending spans, logs."""

from spanledger.mapping.dialects.base import PASS, WEAK_CHAIN, Dialect, Kinds

DIALECT = Dialect(
    code="logfire",
    title="Logfire",
    rank=54,
    keys={
        "request_data": "request_body",
        "response_data": "response_body",
        "logfire.msg": "message_text",
        "logfire.msg_template": "message_text",
        "logfire.tags": "tags",
        "logfire.json_schema": "json_schema",
        "logfire.level_num": "level_number",
    },
    kinds=(
        Kinds("logfire.span_type", 1, {"pending_span": PASS}),
        Kinds("logfire.span_type", 90, {"span": WEAK_CHAIN}),
    ),
    scopes=("logfire",),
    markers=("request_body", "message_text", "json_schema"),
)
