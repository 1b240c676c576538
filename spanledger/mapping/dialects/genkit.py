"""Genkit."""

from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    EVALUATOR,
    LLM,
    RERANK,
    RETRIEVER,
    SKIP,
    TOOL,
    Dialect,
    Kinds,
)

DIALECT = Dialect(
    code="genkit",
    title="Genkit",
    rank=59,
    keys={
        "genkit:name": "run_name",
        "genkit:input": "raw_input",
        "genkit:output": "raw_output",
        "genkit:metadata:feedbackValue": "feedback_value",
        "genkit:metadata:textFeedback": "feedback_text",
        "genkit:metadata:acceptanceValue": "acceptance",
    },
    kinds=(
        Kinds(
            "genkit:metadata:subtype",
            51,
            {
                "model": LLM,
                "background-model": LLM,
                "embedder": EMBED,
                "tool": TOOL,
                "tool.v2": TOOL,
                "retriever": RETRIEVER,
                "reranker": RERANK,
                "evaluator": EVALUATOR,
                "flow": CHAIN,
                "agent": AGENT,
                "userfeedback": SKIP,
                "useracceptance": SKIP,
            },
        ),
        Kinds("genkit:type", 71, {"action": CHAIN, "flow": CHAIN, "util": SKIP, "dotprompt": CHAIN}),
    ),
    scopes=("genkit",),
    markers=("kind_genkit",),
)
