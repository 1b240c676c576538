"""Logfire SDK: LLM integrations that keep whole request and response bodies, manual spans, pending spans, logs."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, GUARDRAIL, LLM, SKIP, TOOL, WEAK_CHAIN, Dialect, Kinds, name

_AGENTS = "logfire.openai_agents"
"""Its spans have no attribute that tells their kind, and templates for names."""

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
        "group_id": "session_id",
        "logfire.feedback.name": "feedback_name",
    },
    kinds=(
        Kinds("logfire.span_type", 1, {"pending_span": SKIP, "annotation": SKIP}),
        Kinds("logfire.span_type", 90, {"span": WEAK_CHAIN}),
    ),
    scopes=("logfire",),
    names=(
        name(r"(Chat completion|Responses API|Response).*", LLM, scope=_AGENTS, overrides=True),
        name(r"Function: .*", TOOL, scope=_AGENTS, overrides=True),
        name(r"Agent run: .*", AGENT, scope=_AGENTS, overrides=True),
        name(r"Guardrail.*", GUARDRAIL, scope=_AGENTS, overrides=True),
        name(r"OpenAI Agents trace.*", CHAIN, scope=_AGENTS, overrides=True),
        name(r"(Turn|Task).*", SKIP, scope=_AGENTS, overrides=True),
    ),
    markers=("request_body", "message_text", "json_schema"),
)
