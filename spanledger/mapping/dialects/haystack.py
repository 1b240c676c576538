"""Haystack."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, EMBED, LLM, RERANK, RETRIEVER, TOOL, Dialect, Kinds, name

DIALECT = Dialect(
    code="haystack",
    title="Haystack",
    rank=57,
    keys={
        "haystack.component.name": "component_name",
        "haystack.component.input": "raw_input",
        "haystack.component.output": "raw_output",
        "haystack.pipeline.name": "workflow_name",
        "haystack.pipeline.input_data": "raw_input",
        "haystack.pipeline.output_data": "raw_output",
    },
    kinds=(
        Kinds(
            "haystack.component.type",
            55,
            {"*": CHAIN},
            suffixes=(
                ("generator", LLM),
                ("embedder", EMBED),
                ("retriever", RETRIEVER),
                ("ranker", RERANK),
                ("toolinvoker", TOOL),
                ("agent", AGENT),
            ),
        ),
    ),
    scopes=("haystack",),
    names=(
        name(r"haystack\.(async_)?pipeline\.run", CHAIN),
        name(r"haystack\.agent\.run", AGENT),
    ),
    absent={"raw_input": frozenset({"{}"}), "raw_output": frozenset({"{}"})},
)
