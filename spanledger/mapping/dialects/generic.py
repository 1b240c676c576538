"""Plain names that many people choose."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="generic",
    title="Plain names that many people choose",
    rank=95,
    keys={
        "prompt_tokens": "usage_input",
        "completion_tokens": "usage_output",
        "input_token_count": "usage_input",
        "output_token_count": "usage_output",
        "cached_token_count": "usage_cache_read",
        "cache_write_token_count": "usage_cache_write",
        "reasoning_token_count": "usage_reasoning",
        "total_tokens": "usage_total",
        "input": "raw_input",
        "prompt": "raw_input",
        "query": "raw_input",
        "question": "raw_input",
        "output": "raw_output",
        "response": "raw_output",
        "result": "raw_output",
        "answer": "raw_output",
        "tags": "tags",
        "name": "component_name",
        "thread_id": "session_id",
        "aws.bedrock.agentcore.session_id": "session_id",
        "session_id": "session_id",
        "user_id": "user_id",
        "sentry.environment": "environment",
        "env": "environment",
        "service.version": "release",
        "app.version": "release",
        "vcs.ref.head.revision": "release",
        "url.full": "api_base",
    },
)
