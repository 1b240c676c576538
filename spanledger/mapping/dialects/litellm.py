"""LiteLLM."""

from spanledger.mapping.dialects.base import GUARDRAIL, MERGE, PASS, Dialect, name

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
    },
    scopes=("litellm",),
    names=(
        name(r"raw_gen_ai_request", MERGE, scope="litellm", overrides=True),
        name(
            r"(auth|redis|postgres|self|router|proxy_pre_call|batch_write_to_db.*|add_litellm_data_to_request)",
            PASS,
            scope="litellm",
            overrides=True,
        ),
        name(r"guardrail|execute_guardrail .*", GUARDRAIL, scope="litellm"),
    ),
)
