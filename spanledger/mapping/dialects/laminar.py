"""Laminar (`lmnr.*`), which carries OpenLLMetry-shaped instrumentations of its own."""

from spanledger.mapping.dialects.base import CHAIN, EVALUATOR, LLM, TOOL, Dialect, Kinds

DIALECT = Dialect(
    code="laminar",
    title="Laminar",
    rank=42,
    keys={
        "lmnr.span.input": "raw_input",
        "lmnr.span.output": "raw_output",
        "lmnr.association.properties.user_id": "user_id",
        "lmnr.association.properties.session_id": "session_id",
        "lmnr.association.properties.rollout_session_id": "session_id",
        "lmnr.association.properties.environment": "environment",
        "lmnr.association.properties.tags": "tags",
        "lmnr.association.properties.labels": "tags",
        "lmnr.trace.metadata": "meta_document",
        "lmnr.internal.override_parent_span": "parent_override",
    },
    groups={
        "lmnr.association.properties.metadata.": "meta",
        "lmnr.association.properties.": "meta",
    },
    kinds=(
        Kinds("lmnr.span.type", 13, {"llm": LLM, "cached": LLM, "tool": TOOL}),
        Kinds("lmnr.span.original_type", 14, {"llm": LLM, "tool": TOOL}),
        Kinds(
            "lmnr.span.type",
            70,
            {
                "default": CHAIN,
                "executor": CHAIN,
                "evaluator": EVALUATOR,
                "human_evaluator": EVALUATOR,
                "evaluation": EVALUATOR,
            },
        ),
    ),
    scopes=("lmnr.",),
    markers=("kind_laminar",),
)
