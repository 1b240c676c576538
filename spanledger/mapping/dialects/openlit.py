"""OpenLIT. Writes the semantic conventions; what is its own stands here."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="openlit",
    title="OpenLIT",
    rank=55,
    keys={
        "gen_ai.request.provider": "hosting",
        "gen_ai.llm.provider": "hosting",
        "gen_ai.llm.model": "request_model",
        "gen_ai.agent.role": "agent_name",
        "gen_ai.agent.task.id": "agent_id",
        "gen_ai.agent.session_id": "session_id",
        "gen_ai.openai.thread.id": "session_id",
        "gen_ai.openai.conversation.id": "session_id",
        "gen_ai.framework.query.text": "retrieval_query",
        "gen_ai.framework.tags": "tags",
        "gen_ai.token.usage.input": "usage_input",
        "gen_ai.token.usage.output": "usage_output",
        "gen_ai.client.token.usage.input": "usage_input",
        "gen_ai.client.token.usage.output": "usage_output",
        "gen_ai.client.token.usage": "usage_total",
        "mcp.tool.name": "tool_name",
        "mcp.tool.description": "tool_description",
        "mcp.tool.arguments": "tool_input",
        "mcp.tool.result": "tool_output",
        "gen_ai.tool.parameters": "tool_input",
        "gen_ai.tool.args": "tool_input",
        "gen_ai.tool.execution.success": "tool_success",
        "function.kwargs": "tool_input",
    },
    groups={"gen_ai.eval.": "eval_scores"},
    scopes=("openlit",),
    exclusive_cache=("anthropic", "aws.bedrock"),
    notes="Writes defaults for parameters that the caller never set (temperature 1.0, top_p 1.0, max_tokens -1).",
)
