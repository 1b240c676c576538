"""Quarkus LangChain4j."""

from spanledger.mapping.dialects.base import CHAIN, LLM, TOOL, Dialect, name

DIALECT = Dialect(
    code="langchain4j",
    title="Quarkus LangChain4j",
    rank=66,
    keys={"gen_ai.client.estimated_cost": "cost_total"},
    scopes=("io.quarkus.opentelemetry",),
    names=(
        name(r"completion .+", LLM, scope="io.quarkus"),
        name(r"langchain4j\.aiservices\..+", CHAIN),
        name(r"langchain4j\.tools\..+", TOOL),
    ),
)
