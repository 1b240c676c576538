"""Strands Agents."""

from spanledger.mapping.dialects.base import CHAIN, LLM, TOOL, Dialect, name

DIALECT = Dialect(
    code="strands",
    title="Strands Agents",
    rank=58,
    keys={
        "system_prompt": "system_instructions",
        "gen_ai.agent.tools": "request_parameters",
    },
    scopes=("strands",),
    names=(
        name(r"execute_event_loop_cycle.*", CHAIN, scope="strands"),
        name(r"(chat|model_invoke|Model invoke).*", LLM, scope="strands"),
        name(r"(Tool: |execute_tool ).*", TOOL, scope="strands"),
    ),
    exclusive_cache=("anthropic", "aws.bedrock"),
)
