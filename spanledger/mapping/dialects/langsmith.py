"""LangSmith's OpenTelemetry exporter (`langsmith.*`), of its SDKs and of LangChain."""

from spanledger.mapping.dialects.base import CHAIN, EMBED, LLM, RETRIEVER, TOOL, Dialect, Kinds

DIALECT = Dialect(
    code="langsmith",
    title="LangSmith",
    rank=25,
    keys={
        "langsmith.usage_metadata": "usage_document",
        "langsmith.span.tags": "tags",
        "langsmith.trace.name": "workflow_name",
        "langsmith.request.streaming": "streaming",
        "langsmith.metadata.ls_invocation_params": "parameters",
        "gen_ai.usage.input_token_details": "usage_input_details",
        "gen_ai.usage.output_token_details": "usage_output_details",
    },
    groups={"langsmith.metadata.": "meta"},
    kinds=(
        Kinds(
            "langsmith.span.kind",
            12,
            {
                "llm": LLM,
                "chain": CHAIN,
                "tool": TOOL,
                "retriever": RETRIEVER,
                "prompt": CHAIN,
                "embedding": EMBED,
                "parser": CHAIN,
            },
        ),
    ),
    scopes=("langsmith",),
    markers=("kind_langsmith",),
    notes="Its gen_ai.operation.name is wrong for retrievers and prompts; langsmith.span.kind wins.",
)
