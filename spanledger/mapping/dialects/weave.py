"""W&B Weave."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, LLM, RETRIEVER, TOOL, Dialect, Kinds

DIALECT = Dialect(
    code="weave",
    title="W&B Weave",
    rank=56,
    keys={"wandb.thread_id": "session_id", "wandb.attributes": "meta_document"},
    kinds=(
        Kinds(
            "weave.span.kind", 16, {"llm": LLM, "tool": TOOL, "agent": AGENT, "chain": CHAIN, "retriever": RETRIEVER}
        ),
    ),
    markers=("kind_weave",),
)
