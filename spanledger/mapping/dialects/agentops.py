"""AgentOps: indexed keys as OpenLLMetry had them, kinds and contents below `agentops.*`."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, EMBED, GUARDRAIL, LLM, RERANK, SKIP, TOOL, Dialect, Kinds

_KINDS = {
    "workflow": CHAIN,
    "session": CHAIN,
    "task": CHAIN,
    "operation": CHAIN,
    "chain": CHAIN,
    "agent": AGENT,
    "tool": TOOL,
    "llm": LLM,
    "guardrail": GUARDRAIL,
    "http": SKIP,
}

DIALECT = Dialect(
    code="agentops",
    title="AgentOps",
    rank=80,
    keys={
        "agentops.entity.name": "run_name",
        "agentops.entity.input": "raw_input",
        "agentops.entity.output": "raw_output",
        **{f"agentops.{kind}.input": "raw_input" for kind in _KINDS},
        **{f"agentops.{kind}.output": "raw_output" for kind in _KINDS},
        "agentops.tags": "tags",
        "gen_ai.request.streaming": "streaming",
        "gen_ai.request.candidate_count": "choice_count",
        "gen_ai.request.system_instruction": "system_instructions",
        "gen_ai.request.instructions": "system_instructions",
        "gen_ai.openai.instructions": "system_instructions",
        "gen_ai.streaming.time_to_first_token": "ttft_s",
        "tool.call.id": "tool_call_id",
        "tool.result": "tool_output",
        "workflow.input": "raw_input",
        "workflow.final_output": "raw_output",
        "workflow.output": "raw_output",
        "workflow.session_id": "session_id",
        "workflow.user_id": "user_id",
    },
    groups={"gen_ai.request.functions.": "functions_indexed", "gen_ai.request.tools.": "functions_indexed"},
    kinds=(
        # In part the members of an enumeration are printed: AgentOpsSpanKindValues.TOOL
        Kinds("agentops.span.kind", 19, _KINDS, suffixes=tuple((f".{word}", kind) for word, kind in _KINDS.items())),
        Kinds("gen_ai.request.type", 46, {"chat": LLM, "completion": LLM, "embedding": EMBED, "rerank": RERANK}),
    ),
    scopes=("agentops",),
    markers=("kind_agentops",),
)
