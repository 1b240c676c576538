"""Claude Code, Gemini CLI, Codex CLI, Copilot, VoltAgent."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    LLM,
    MERGE,
    RETRIEVER,
    SKIP,
    TOOL,
    Dialect,
    Kinds,
    LogRun,
    name,
)

_CLAUDE_TOOL = {"tool_name": "tool_name", "tool_parameters": "tool_input", "error": "error_message"}
_CODEX_TOOL = {
    "tool_name": "tool_name",
    "call_id": "tool_call_id",
    "arguments": "tool_input",
    "output": "tool_output",
}
_HTTP = {"error.message": "error_message", "http.response.status_code": "http_status"}
_CLAUDE = {"gen_ai.agent.name": "claude-code"}
_CODEX = {"gen_ai.agent.name": "codex"}
_GEMINI = {"gen_ai.agent.name": "gemini-cli"}

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
        "tool_name": "tool_name",
        "tool_input": "tool_input",
        "full_command": "tool_input",
        "tool_output": "tool_output",
        "user_prompt": "raw_input",
        "response.model_output": "raw_output",
        "copilot_chat.session_id": "session_id",
        "copilot_chat.time_to_first_token": "ttft_ms",
        "conversation.id": "session_id",
        "voltagent.conversation_id": "session_id",
        "voltagent.user_id": "user_id",
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
        name(r"coding_agent\.hook\..*", SKIP, overrides=True),
    ),
    logs={
        "claude_code.user_prompt": LogRun("invoke_agent", {"prompt": "raw_input"}, _CLAUDE, root=True),
        "claude_code.api_request": LogRun("chat", {"request_id": "response_id"}, identity=("request_id",)),
        "claude_code.assistant_response": LogRun(
            "chat", {"request_id": "response_id", "response": "raw_output"}, identity=("request_id",), joins=True
        ),
        "claude_code.api_error": LogRun(
            "chat", {"error": "error_message", "status_code": "http_status"}, identity=("request_id",), failed=True
        ),
        "claude_code.tool_result": LogRun("execute_tool", _CLAUDE_TOOL, identity=("tool_use_id",)),
        "claude_code.tool_decision": LogRun("execute_tool", _CLAUDE_TOOL, identity=("tool_use_id",), joins=True),
        "codex.conversation_starts": LogRun("invoke_agent", {}, _CODEX, root=True),
        "codex.user_prompt": LogRun("user_prompt", {"prompt": "raw_input"}),
        "codex.sse_event": LogRun(
            "chat",
            {"cached_token_count": "usage_cache_read", "tool_token_count": "usage_total"},
            only={"event.kind": frozenset({"response.completed"})},
        ),
        "codex.api_request": LogRun("chat", _HTTP, only_failed=True),
        "codex.tool_result": LogRun("execute_tool", _CODEX_TOOL, identity=("call_id",)),
        "codex.tool_decision": LogRun("execute_tool", _CODEX_TOOL, identity=("call_id",), joins=True),
        "gemini_cli.user_prompt": LogRun("invoke_agent", {"prompt": "raw_input"}, _GEMINI, root=True),
        "gemini_cli.api_response": LogRun(
            "chat",
            {
                "output_token_count": "usage_output",
                "thoughts_token_count": "usage_thoughts",
                "tool_token_count": "usage_tool_use",
                "cached_content_token_count": "usage_cache_read",
                "total_token_count": "usage_total",
                "response_text": "raw_output",
                "status_code": "http_status",
            },
        ),
        "gemini_cli.api_error": LogRun(
            "chat", {"error": "error_message", "error_type": "error_type", "status_code": "http_status"}, failed=True
        ),
        "gemini_cli.tool_call": LogRun(
            "execute_tool",
            {"function_name": "tool_name", "function_args": "tool_input", "error": "error_message"},
        ),
    },
    exclusive_cache=("anthropic",),
    notes="Their log records are runs where no span tells of the same request or tool call: one trace per user prompt "
    "(Claude Code, Gemini CLI) or per conversation (Codex CLI).",
)
