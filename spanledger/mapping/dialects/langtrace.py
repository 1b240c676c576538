"""Langtrace (Scale3): the semantic conventions of 1.26 with keys of its own."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="langtrace",
    title="Langtrace",
    rank=79,
    keys={
        "gen_ai.response_id": "response_id",
        "gen_ai.request.embedding_inputs": "embed_input",
        "gen_ai.request.dimensions": "dimensions",
        "gen_ai.request.tools": "tool_definitions",
        "gen_ai.request.functions": "tool_definitions",
        "gen_ai.request.tool_choice": "tool_choice",
        "gen_ai.request.response_format": "response_format",
        "gen_ai.user": "api_user",
        "gen_ai.usage.cached_tokens": "usage_cache_read",
        "instructions": "system_instructions",
        "gen_ai.response.stop_reason": "finish_reasons",
        "langtrace.service.name": "system",
        "db.query": "retrieval_query",
    },
    scopes=("langtrace_python_sdk", "@langtrase/"),
)
