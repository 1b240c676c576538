"""Anthropic SDK and platform spans."""

from spanledger.mapping.dialects.base import LLM, TOOL, Dialect, name

DIALECT = Dialect(
    code="anthropic_native",
    title="Anthropic SDK and platform spans",
    rank=71,
    scopes=("com.anthropic.",),
    names=(
        name(r"anthropic\.messages.*", LLM, scope="com.anthropic."),
        name(r"anthropic\.tool_use .*", TOOL, scope="com.anthropic."),
    ),
)
