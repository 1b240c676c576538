"""LiteLLM."""

from spanledger.mapping.dialects.base import GUARDRAIL, MERGE, SKIP, Dialect, name

_PROVIDERS = (
    "openai", "azure", "azure_ai", "anthropic", "bedrock", "vertex_ai", "gemini", "groq", "mistral", "cohere",
    "deepseek", "openrouter", "together_ai", "fireworks_ai", "xai", "ollama", "perplexity", "databricks",
    "huggingface", "watsonx", "litellm_proxy", "hosted_vllm",
)  # fmt: skip
_RAW = {"messages": "prompt", "choices": "completion", "usage": "usage_raw"}
"""What the span of the raw request tells (`llm.openai.messages`), printed by Python: the last resort."""

DIALECT = Dialect(
    code="litellm",
    title="LiteLLM",
    rank=67,
    keys={
        "error.stack_trace": "error_stack",
        "error.llm_provider": "hosting",
        "metadata.user_api_key_end_user_id": "user_id",
        "metadata.user_api_key_user_id": "user_id",
        "metadata.session_id": "session_id",
        "metadata.litellm_session_id": "session_id",
        "metadata.tags": "tags",
        "metadata.request_tags": "tags",
        "metadata.requester_metadata": "requester_metadata",
        "metadata.usage_object": "usage_document",
        # LITELLM_OTEL_V2
        "litellm.cost.total": "cost_total",
        "litellm.cost.input": "cost_input",
        "litellm.cost.output": "cost_output",
        "litellm.request.streaming": "streaming",
        **{f"llm.{provider}.{key}": slot for provider in _PROVIDERS for key, slot in _RAW.items()},
    },
    groups={  # an enumeration printed in place of its value
        "SpanAttributes.LLM_PROMPTS.": "prompt_indexed",
        "SpanAttributes.LLM_COMPLETIONS.": "completion_indexed",
    },
    scopes=("litellm",),
    names=(
        name(r"raw_gen_ai_request", MERGE, scope="litellm", overrides=True),
        name(
            r"(auth|redis|postgres|self|router|proxy_pre_call|batch_write_to_db.*|add_litellm_data_to_request)",
            SKIP,
            scope="litellm",
            overrides=True,
        ),
        name(r"guardrail|execute_guardrail .*", GUARDRAIL, scope="litellm"),
    ),
)
