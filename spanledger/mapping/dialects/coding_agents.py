"""Claude Code, Gemini CLI, Codex CLI, Copilot, VoltAgent."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, LLM, MERGE, PASS, RETRIEVER, TOOL, Dialect, Kinds, name

DIALECT = Dialect(
    code="coding_agents",
    title="Claude Code, Gemini CLI, Codex CLI, Copilot, VoltAgent",
    rank=75,
    keys={
        "model": "request_model",
        "request_id": "request_id",
        "stop_reason": "finish_reasons",
        "input_tokens": "usage_input",
        "output_tokens": "usage_output",
        "cache_read_tokens": "usage_cache_read",
        "cache_creation_tokens": "usage_cache_write",
        "cost_usd": "cost_total",
        "ttft_ms": "ttft_ms",
        "tool_use_id": "tool_call_id",
        "user_prompt": "raw_input",
        "response.model_output": "raw_output",
        "copilot_chat.session_id": "session_id",
        "copilot_chat.time_to_first_token": "ttft_ms",
        "conversation.id": "session_id",
        "voltagent.conversation_id": "session_id",
        "llm.messages": "raw_input",
        "agent.messages": "raw_input",
        "coding_agent.session.id": "session_id",
    },
    kinds=(
        Kinds(
            "span.type",
            53,
            {
                "interaction": AGENT,
                "llm_request": LLM,
                "tool": TOOL,
                "hook": CHAIN,
                "agent": AGENT,
                "llm": LLM,
                "retriever": RETRIEVER,
                "memory": RETRIEVER,
                "workflow": CHAIN,
            },
        ),
    ),
    scopes=("com.anthropic.claude_code", "gemini-cli", "codex_otel"),
    names=(
        name(r"claude_code\.tool\.(execution|blocked_on_user)", MERGE, overrides=True),
        name(r"coding_agent\.hook\..*", PASS, overrides=True),
    ),
    exclusive_cache=("anthropic",),
)
