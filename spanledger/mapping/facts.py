"""The facts that a span can state about a run: the slots that dialect tables fill and the mapping reads.

Each attribute of `Facts` is one slot of the key table (`spanledger.model.keys`): None until a decoder found a key of
some dialect for it. Values are as received (`Value`): a token count may be an int, a float or a numeric string.
Section numbers in comments point to docs/dialects.md.
"""

from __future__ import annotations

from spanledger.model.span import Span, Value

Group = dict[str, Value]


class Facts(Span):
    """A span with one slot per fact. Slots are class attributes, so that an empty one costs nothing."""

    # What kind of run. Dialects with a kind attribute of their own add a slot `kind_<dialect>` (see dialects.base).
    operation: Value = None
    llm_request_type: Value = None
    mcp_method: Value = None
    logfire_span_type: Value = None

    # Names
    run_name: Value = None
    function_id: Value = None
    workflow_name: Value = None
    component_name: Value = None
    message_text: Value = None
    agent_name: Value = None
    agent_id: Value = None
    agent_description: Value = None
    agent_version: Value = None

    # Tools
    tool_name: Value = None
    tool_call_id: Value = None
    tool_type: Value = None
    tool_description: Value = None
    tool_input: Value = None
    tool_output: Value = None
    tool_status: Value = None
    tool_failed: Value = None
    tool_success: Value = None
    step_input: Value = None

    # Model call
    provider: Value = None
    system: Value = None
    hosting: Value = None
    server_address: Value = None
    api_base: Value = None
    request_model: Value = None
    model_name: Value = None
    response_model: Value = None
    response_id: Value = None
    request_id: Value = None
    finish_reasons: Value = None
    streaming: Value = None
    cached: Value = None
    batch: Value = None

    # Parameters
    temperature: Value = None
    top_p: Value = None
    top_k: Value = None
    max_tokens: Value = None
    stop: Value = None
    seed: Value = None
    frequency_penalty: Value = None
    presence_penalty: Value = None
    repetition_penalty: Value = None
    choice_count: Value = None
    response_format: Value = None
    output_schema: Value = None
    tool_choice: Value = None
    reasoning_effort: Value = None
    service_tier: Value = None
    response_service_tier: Value = None
    dimensions: Value = None
    encoding_formats: Value = None
    api_user: Value = None
    parameters: Value = None
    settings: Group | None = None

    # Usage
    usage_input: Value = None
    usage_output: Value = None
    usage_total: Value = None
    usage_cache_read: Value = None
    usage_cache_write: Value = None
    usage_cache_write_5m: Value = None
    usage_cache_write_1h: Value = None
    usage_reasoning: Value = None
    usage_input_audio: Value = None
    usage_output_audio: Value = None
    usage_cache_audio: Value = None
    usage_input_image: Value = None
    usage_thoughts: Value = None
    usage_tool_use: Value = None
    usage_document: Value = None
    usage_raw: Value = None
    usage_input_details: Value = None
    usage_output_details: Value = None
    usage_extra: Group | None = None
    usage_partial: Group | None = None
    provider_metadata: Value = None
    input_token_details: Value = None

    # Cost as the sender reports it
    cost_total: Value = None
    cost_input: Value = None
    cost_output: Value = None
    cost_document: Value = None
    cost_billed: Value = None

    # Time to first token
    ttft_s: Value = None
    ttft_ms: Value = None
    ttft_server: Value = None
    first_token_at: Value = None

    # Messages and other content
    input_messages: Value = None
    output_messages: Value = None
    system_instructions: Value = None
    tool_definitions: Value = None
    prompt: Value = None
    completion: Value = None
    prompt_indexed: Group | None = None
    completion_indexed: Group | None = None
    functions_indexed: Group | None = None
    oi_input: Group | None = None
    oi_output: Group | None = None
    oi_prompts: Group | None = None
    oi_choices: Group | None = None
    oi_tools: Group | None = None
    vercel_prompt: Value = None
    vercel_messages: Value = None
    vercel_text: Value = None
    vercel_reasoning: Value = None
    vercel_tool_calls: Value = None
    vercel_object: Value = None
    vercel_files: Value = None
    event_list: Value = None
    conversation_events: Value = None
    conversation: Value = None
    conversation_start: Value = None
    final_result: Value = None
    request_body: Value = None
    response_body: Value = None
    request_parameters: Value = None
    response_tool_calls: Value = None
    original_length: Value = None
    raw_input: Value = None
    typed_input: Value = None
    typed_output: Value = None
    raw_output: Value = None
    input_mime: Value = None
    output_mime: Value = None
    json_schema: Value = None

    # Embeddings, retrieval, rerank
    embed_input: Value = None
    embed_vectors: Value = None
    oi_embeddings: Group | None = None
    retrieval_query: Value = None
    retrieval_documents: Value = None
    oi_documents: Group | None = None
    rerank_input: Group | None = None
    rerank_output: Group | None = None
    rerank_query: Value = None
    rerank_documents: Value = None
    ranking: Value = None
    vector_db: Value = None
    db_operation: Value = None

    # Context
    user_id: Value = None
    user: Group | None = None
    user_props: Value = None
    session_id: Value = None
    weak_session_id: Value = None
    tags: Value = None
    meta: Group | None = None
    meta_document: Value = None
    requester_metadata: Value = None
    environment: Value = None
    release: Value = None
    service_name: Value = None

    # Prompt templates
    prompt_name: Value = None
    prompt_version: Value = None
    prompt_template: Value = None
    prompt_variables: Value = None
    prompt_variable: Group | None = None

    # Errors
    error_type: Value = None
    error_message: Value = None
    error_code: Value = None
    error_stack: Value = None
    level: Value = None
    level_number: Value = None
    status_text: Value = None
    http_status: Value = None
    http_route: Value = None

    # Tree
    parent_override: Value = None
    app_root: Value = None
    run_group: Value = None
    annotations: Group | None = None
    trace_annotations: Group | None = None
    session_annotations: Group | None = None
    evaluations: Group | None = None
    eval_scores: Group | None = None
    eval_assertions: Value = None
    score_document: Value = None
    feedback_name: Value = None
    feedback_value: Value = None
    feedback_text: Value = None
    acceptance: Value = None
