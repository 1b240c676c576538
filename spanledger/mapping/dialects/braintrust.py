"""Braintrust."""

from spanledger.mapping.dialects.base import CHAIN, EVALUATOR, LLM, TOOL, Dialect, Kinds

_KINDS = {"llm": LLM, "task": CHAIN, "tool": TOOL, "function": TOOL, "score": EVALUATOR, "eval": EVALUATOR}

DIALECT = Dialect(
    code="braintrust",
    title="Braintrust",
    rank=43,
    keys={
        "braintrust.input_json": "raw_input",
        "braintrust.input": "raw_input",
        "braintrust.output_json": "raw_output",
        "braintrust.output": "raw_output",
        "braintrust.metadata": "meta_document",
        "braintrust.metrics": "usage_document",
        "braintrust.tags": "tags",
        "braintrust.scores": "score_document",
    },
    groups={"braintrust.metadata.": "meta"},
    kinds=(
        Kinds(
            "braintrust.span_attributes.type",
            17,
            _KINDS,
        ),
        Kinds("braintrust.span_attributes", 18, _KINDS, member="type"),
    ),
    scopes=("braintrust",),
    markers=("kind_braintrust",),
)
