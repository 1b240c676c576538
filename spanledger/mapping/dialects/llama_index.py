"""LlamaIndex's own OpenTelemetry spans: facts stand on span events, named after its instrumentation events."""

from spanledger.mapping.dialects.base import AGENT, CHAIN, EMBED, LLM, RETRIEVER, TOOL, Dialect, name

_SCOPE = "llamaindex"
_MODEL = {"model_dict.model_name": "request_model", "model_dict.class_name": "hosting"}
_RESPONSE = {
    "response.raw.id": "response_id",
    "response.raw.model": "response_model",
    "response.raw.choices": "completion",
    "response.raw.service_tier": "response_service_tier",
    "response.raw.usage.prompt_tokens": "usage_input",
    "response.raw.usage.completion_tokens": "usage_output",
    "response.raw.usage.input_tokens": "usage_input",
    "response.raw.usage.output_tokens": "usage_output",
    "response.raw.usage.total_tokens": "usage_total",
    "response.raw.usage.prompt_tokens_details.cached_tokens": "usage_cache_read",
    "response.raw.usage.cache_read_input_tokens": "usage_cache_read",
    "response.raw.usage.cache_creation_input_tokens": "usage_cache_write",
    "response.raw.usage.completion_tokens_details.reasoning_tokens": "usage_reasoning",
    "response.additional_kwargs.prompt_tokens": "usage_input",
    "response.additional_kwargs.completion_tokens": "usage_output",
    "response.additional_kwargs.total_tokens": "usage_total",
    "response.message.blocks": "raw_output",
    "response.text": "raw_output",
}
_QUERY = {"str_or_query_bundle.query_str": "retrieval_query", "str_or_query_bundle": "retrieval_query"}

DIALECT = Dialect(
    code="llama_index",
    title="LlamaIndex OpenTelemetry",
    rank=74,
    keys={"llamaindex.run_id": "run_group", "llamaindex.step.input_summary": "step_input"},
    events={
        "LLMChatStartEvent": {
            **_MODEL,
            "messages": "input_messages",
            "additional_kwargs.tools": "tool_definitions",
            "additional_kwargs.tool_choice": "tool_choice",
            "model_dict.temperature": "temperature",
            "model_dict.num_output": "max_tokens",
        },
        "LLMChatEndEvent": {"messages": "input_messages", **_RESPONSE},
        "LLMCompletionStartEvent": {**_MODEL, "prompt": "prompt"},
        "LLMCompletionEndEvent": {"prompt": "prompt", **_RESPONSE},
        "EmbeddingStartEvent": _MODEL,
        "EmbeddingEndEvent": {"chunks": "embed_input", "embeddings": "embed_vectors"},
        "RetrievalStartEvent": _QUERY,
        "RetrievalEndEvent": {**_QUERY, "nodes": "retrieval_documents"},
        "QueryStartEvent": {"query": "raw_input", "query.query_str": "raw_input"},
        "QueryEndEvent": {"query.query_str": "raw_input", "response.response": "raw_output"},
        "AgentRunStepStartEvent": {"input": "raw_input"},
    },
    scopes=("llama_index", _SCOPE),
    names=(
        name(r".+\.a?(stream_)?(chat|complete)", LLM, scope=_SCOPE),
        name(r".+\.a?get_(text_embedding(_batch)?|query_embedding)", EMBED, scope=_SCOPE),
        name(r".+Retriever\.a?retrieve", RETRIEVER, scope=_SCOPE),
        name(r".+QueryEngine\.a?query", CHAIN, scope=_SCOPE),
        name(r"\w*Tool\.a?call", TOOL, scope=_SCOPE),
        name(r"\w*(Agent|AgentWorkflow)\.run", AGENT, scope=_SCOPE),
    ),
    absent={"hosting": frozenset({"base_component", "custom_llm"})},
)
