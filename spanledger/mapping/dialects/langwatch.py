"""LangWatch (Python and TypeScript SDKs): values wrapped as `{"type", "value"}`."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EVALUATOR,
    GUARDRAIL,
    LLM,
    RETRIEVER,
    TOOL,
    WEAK_CHAIN,
    Dialect,
    Kinds,
)

DIALECT = Dialect(
    code="langwatch",
    title="LangWatch",
    rank=77,
    keys={
        "langwatch.input": "typed_input",
        "langwatch.output": "typed_output",
        "langwatch.params": "parameters",
        "langwatch.metrics": "usage_document",
        "langwatch.rag_contexts": "retrieval_documents",
        "langwatch.rag.contexts": "retrieval_documents",
        "langwatch.user.id": "user_id",
        "langwatch.thread.id": "session_id",
        "langwatch.labels": "tags",
        "langwatch.tags": "tags",
        "langwatch.prompt.handle": "prompt_name",
        "langwatch.prompt.version.number": "prompt_version",
        "langwatch.prompt.variables": "prompt_variables",
    },
    kinds=(
        Kinds(
            "langwatch.span.type",
            18,
            {
                "llm": LLM,
                "chain": CHAIN,
                "workflow": CHAIN,
                "task": CHAIN,
                "component": CHAIN,
                "module": CHAIN,
                "tool": TOOL,
                "agent": AGENT,
                "rag": RETRIEVER,
                "guardrail": GUARDRAIL,
                "evaluation": EVALUATOR,
                "span": WEAK_CHAIN,
            },
        ),
    ),
    scopes=("langwatch",),
    markers=("kind_langwatch", "typed_input", "typed_output"),
)
