"""Pydantic AI 0.x to 2.x (`InstrumentationSettings.version` 1 to 6)."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, LLM, SKIP, TOOL, Dialect, name

DIALECT = Dialect(
    code="pydantic_ai",
    title="Pydantic AI",
    rank=52,
    keys={
        "agent_name": "agent_name",
        "model_name": "model_name",
        "events": "event_list",
        "all_messages_events": "conversation_events",
        "pydantic_ai.all_messages": "conversation",
        "pydantic_ai.new_message_index": "conversation_start",
        "final_result": "final_result",
        "model_request_parameters": "request_parameters",
        "tool_arguments": "tool_input",
        "tool_response": "tool_output",
        "operation.cost": "cost_total",
        "inputs": "embed_input",
        "assertions": "eval_assertions",
    },
    scopes=("pydantic-ai",),
    names=(
        name(r"agent run", AGENT, scope="pydantic-ai"),
        name(r".+ run", AGENT, scope="pydantic-ai"),
        name(r"chat .+", LLM, scope="pydantic-ai"),
        name(r"running tool(: .+)?", TOOL, scope="pydantic-ai"),
        name(r"running \d+ tools?", SKIP, scope="pydantic-ai", overrides=True),
        name(r"(preparing model request params|agent node).*", SKIP, scope="pydantic-ai", overrides=True),
        name(r"(run )?graph .*|run node .*", CHAIN, scope="pydantic-ai"),
    ),
    markers=("conversation", "conversation_events", "request_parameters"),
)
