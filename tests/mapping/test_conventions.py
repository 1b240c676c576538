"""Every key under which some dialect writes a fact, one by one: the fact arrives. What the keys mean together (usage,
messages, trees) stands in the tests of each subject."""

from __future__ import annotations

import json

import pytest

from spanledger.model.records import Run, Usage
from spanledger.model.span import Value
from tests.mapping.build import Ledger, chat, event, only_run, span

ZERO_POINT_TWO = 200_000_000


def call(**facts: Value) -> Run:
    return only_run(chat(facts, tokens=None))


def counted(key: str) -> Usage:
    usage = only_run(chat({key: 40}, tokens=(100, 50))).usage
    assert usage is not None
    return usage


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "llm"), ("generate_content", "llm"), ("chat.completions", "llm"), ("acompletion", "llm"),
        ("aresponses", "llm"), ("image_generation", "llm"), ("transcription", "llm"), ("text_to_speech", "llm"),
        ("llm_call", "llm"), ("embeddings", "embed"), ("aembedding", "embed"), ("arerank", "rerank"),
        ("retrieval", "retriever"), ("vectordb", "retriever"), ("memory_search", "retriever"),
        ("execute_tool", "tool"), ("tool_call", "tool"), ("extract", "tool"), ("upsert_memory", "tool"),
        ("create_memory_store", "tool"), ("create_agent", "agent"), ("plan", "agent"), ("process_thread_run", "agent"),
        ("invoke_workflow", "chain"), ("execute_task", "chain"), ("agent_handoff", "chain"), ("user_prompt", "chain"),
        ("transliterate", "chain"), ("language_identification", "chain"), ("guardrail_check", "guardrail"),
    ],
)  # fmt: skip
def test_operations(operation: str, kind: str) -> None:
    assert only_run(span({"gen_ai.operation.name": operation, "gen_ai.request.model": "m"})).type == kind


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("lmnr.span.type", "HUMAN_EVALUATOR", "evaluator"), ("lmnr.span.type", "EXECUTOR", "chain"),
        ("mlflow.spanType", '"CHAT_MODEL"', "llm"), ("mlflow.spanType", '"MEMORY"', "retriever"),
        ("langfuse.observation.type", "GENERATION", "llm"), ("langsmith.span.kind", "prompt", "chain"),
        ("weave.span.kind", "tool", "tool"), ("openinference.span.kind", "RERANKER", "rerank"),
        ("openinference.span.kind", "PROMPT", "chain"), ("ai.operationId", "ai.rerank.doRerank", "rerank"),
        ("spring.ai.kind", "vector_store", "retriever"), ("genkit:metadata:subtype", "embedder", "embed"),
        ("request_data", '{"model": "gpt-4o", "messages": []}', "llm"),
    ],
)  # fmt: skip
def test_kinds_that_no_operation_tells(key: str, value: str, kind: str) -> None:
    assert only_run(span({key: value})).type == kind


def test_a_streamed_call_of_logfire_that_tells_no_operation() -> None:
    request = {"request_data": '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}'}
    usage = {"gen_ai.usage.input_tokens": 56, "gen_ai.usage.output_tokens": 5}
    ledger = Ledger(
        span({**request, "logfire.span_type": "span"}, name="Chat Completion with 'gpt-4o'", scope="logfire.openai"),
        span({**request, **usage, "logfire.span_type": "log"}, id=2, parent=1, scope="logfire.openai", start=1.0),
    )
    assert ledger.billed() == {1: (56, 5)}
    assert not ledger.has(2)


@pytest.mark.parametrize("kind", ["tool_call", "chat_client"])
def test_spring_calls_the_operation_of_all_its_spans_framework(kind: str) -> None:
    run = only_run(span({"gen_ai.operation.name": "framework", "spring.ai.kind": kind}))
    assert run.type == {"tool_call": "tool", "chat_client": "chain"}[kind]


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached", "gen_ai.usage.cached_input_tokens", "gen_ai.usage.cached_tokens",
        "gen_ai.usage.prompt_tokens_cached", "gen_ai.usage.input_cached_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens", "gen_ai.usage.cache.read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_content_tokens",
        "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input",
        "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens", "stream.usage.cachedInputTokens",
        "generateText.usage.inputTokenDetails.cacheReadTokens", "cache_read_tokens", "cached_token_count",
    ],
)  # fmt: skip
def test_cache_reads(key: str) -> None:
    usage = counted(key)
    assert (usage.input_tokens, usage.cache_read_tokens) == (100, 40)


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.input_tokens.cache_creation",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens", "gen_ai.usage.cache.creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens", "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens", "cache_creation_tokens", "cache_write_token_count",
    ],
)  # fmt: skip
def test_cache_writes(key: str) -> None:
    usage = counted(key)
    assert (usage.input_tokens, usage.cache_write_tokens) == (100, 40)


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning", "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens", "gen_ai.usage.details.thoughts_tokens", "reasoning_token_count",
    ],
)  # fmt: skip
def test_reasoning(key: str) -> None:
    usage = counted(key)
    assert (usage.output_tokens, usage.reasoning_tokens) == (50, 40)


@pytest.mark.parametrize(
    ("incoming", "outgoing"),
    [
        ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"),
        ("llm.token_count.prompt", "llm.token_count.completion"),
        ("llm.usage.prompt_tokens", "llm.usage.completion_tokens"),
        ("ai.usage.inputTokens", "ai.usage.outputTokens"),
        ("ai.usage.promptTokens", "ai.usage.completionTokens"),
        ("streamText.usage.inputTokens", "streamText.usage.outputTokens"),
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
        ("input_token_count", "output_token_count"),
        ("gen_ai.token.usage.input", "gen_ai.token.usage.output"),
        ("gen_ai.client.token.usage.input", "gen_ai.client.token.usage.output"),
    ],
)
def test_tokens_as_text_and_as_double(incoming: str, outgoing: str) -> None:
    usage = call(**{incoming: "10", outgoing: 3.0}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (10, 3)


def test_litellm_tells_the_details_of_usage_in_a_printed_dictionary() -> None:
    told = "{'prompt_tokens': 211, 'completion_tokens': 37, 'total_tokens': 248, 'prompt_tokens_details': "
    told += "{'cached_tokens': 128}, 'completion_tokens_details': {'reasoning_tokens': 14, 'audio_tokens': None}}"
    run = only_run(chat({"metadata.usage_object": told}, tokens=(211, 37), scope="litellm", name="litellm_request"))
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.cache_read_tokens, run.usage.reasoning_tokens) == (211, 128, 14)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.response.time_to_first_chunk", 0.2), ("gen_ai.client.operation.time_to_first_chunk", 0.2),
        ("gen_ai.server.time_to_first_token", 0.2), ("gen_ai.server.time_to_first_token", 200),
        ("gen_ai.latency.time_to_first_token", 0.2), ("lk.response.ttft", 0.2), ("lk.response.ttfb", 0.2),
        ("lk.llm_metrics", '{"ttft": 0.2}'), ("braintrust.metrics", '{"time_to_first_token": 0.2}'),
        ("ai.response.msToFirstChunk", 200), ("ai.stream.msToFirstChunk", 200), ("ttft_ms", 200),
        ("trace.metadata.openrouter.first_token_ms", 200), ("copilot_chat.time_to_first_token", 200),
        ("langfuse.observation.completion_start_time", '"2026-03-01T10:00:00.200Z"'),
        ("mastra.completion_start_time", "2026-03-01T10:00:00.200Z"),
    ],
)  # fmt: skip
def test_time_to_first_token_in_its_unit(key: str, value: Value) -> None:
    assert call(**{key: value}).ttft_ns == ZERO_POINT_TWO


@pytest.mark.parametrize(
    "key",
    [
        "lunary.user_id", "ai.telemetry.metadata.lunary_user_id", "langfuse.user.id", "langfuse.trace.user_id",
        "user.id", "enduser.id", "gen_ai.user.id", "traceloop.association.properties.user_id",
        "traceloop.association.properties.customer_id", "lmnr.association.properties.user_id",
        "ai.telemetry.metadata.userId", "ai.telemetry.metadata.langfuseUserId", "ai.settings.context.userId",
        "langsmith.metadata.user_id", "mlflow.trace.user", "metadata.user_api_key_end_user_id",
        "metadata.user_api_key_user_id", "lk.participant_identity", "gen_ai.request.user", "llm.user",
        "langwatch.user.id", "voltagent.user_id", "user_id",
    ],
)  # fmt: skip
def test_users(key: str) -> None:
    assert call(**{key: "user-7"}).user_id == "user-7"


@pytest.mark.parametrize(
    "key",
    [
        "lunary.thread_id", "ai.telemetry.metadata.lunary_thread_id", "ai.telemetry.metadata.thread_id",
        "langfuse.session.id", "session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id",
        "traceloop.association.properties.chat_id", "lmnr.association.properties.session_id",
        "lmnr.association.properties.rollout_session_id", "ai.telemetry.metadata.sessionId",
        "ai.telemetry.metadata.conversationId", "langsmith.metadata.thread_id", "gcp.vertex.agent.session_id",
        "gen_ai.thread.id", "spring.ai.chat.client.conversation.id", "gen_ai.agent.session_id",
        "coding_agent.session.id", "gen_ai.openai.thread.id", "conversation.id", "copilot_chat.session_id",
        "metadata.litellm_session_id", "lk.room_sid", "voltagent.conversation_id", "wandb.thread_id",
        "mlflow.trace.session", "langwatch.thread.id", "aws.bedrock.agentcore.session_id", "thread_id",
    ],
)  # fmt: skip
def test_sessions(key: str) -> None:
    assert call(**{key: "session-3"}).session_id == "session-3"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.conversation.id", "resp_0a1b"), ("langsmith.trace.session_id", "a-project"),
        ("mcp.session.id", "a-transport"), ("spring.ai.chat.client.conversation.id", "default"),
    ],
)  # fmt: skip
def test_what_looks_like_a_session_and_is_none(key: str, value: str) -> None:
    assert call(**{key: value}).session_id is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tag.tags", ["a", "b"]), ("langfuse.trace.tags", '["a", "b"]'), ("langfuse.tags", "a,b"),
        ("langsmith.span.tags", "a, b"), ("lmnr.association.properties.tags", ["a", "b"]),
        ("traceloop.association.properties.tags", ["a", "b"]), ("ai.telemetry.metadata.tags", ["a", "b"]),
        ("mlflow.trace.tags", '["a", "b"]'), ("logfire.tags", ["a", "b"]), ("gen_ai.framework.tags", ["a", "b"]),
        ("metadata.tags", "['a', 'b']"), ("braintrust.tags", ["a", "b"]), ("langwatch.labels", '["a", "b"]'),
    ],
)  # fmt: skip
def test_tags(key: str, value: Value) -> None:
    assert call(**{key: value}).tags == ["a", "b"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metadata", '{"plan": "x"}'), ("langfuse.trace.metadata.plan", "x"), ("langsmith.metadata.plan", "x"),
        ("lmnr.association.properties.metadata.plan", "x"), ("lmnr.trace.metadata", '{"plan": "x"}'),
        ("traceloop.association.properties.plan", "x"), ("ai.telemetry.metadata.plan", "x"),
        ("trace.metadata.plan", "x"), ("span.metadata.plan", "x"), ("braintrust.metadata", '{"plan": "x"}'),
        ("wandb.attributes", '{"plan": "x"}'), ("mastra.metadata.plan", "x"), ("lunary.metadata.plan", "x"),
        ("plan", "x"),
    ],
)  # fmt: skip
def test_metadata(key: str, value: str) -> None:
    assert call(**{key: value}).metadata == {"plan": "x"}


@pytest.mark.parametrize(
    "key",
    ["langfuse.environment", "gen_ai.environment", "sentry.environment", "lmnr.association.properties.environment"],
)
def test_environments(key: str) -> None:
    assert call(**{key: "staging"}).environment == "staging"


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"), ("tool.parameters", "output.value"),
        ("ai.toolCall.args", "ai.toolCall.result"), ("tool_arguments", "tool_response"),
        ("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"),
        ("gen_ai.tool.input", "gen_ai.tool.output"), ("gen_ai.tool.args", "gen_ai.tool.result"),
        ("spring.ai.tool.call.arguments", "spring.ai.tool.call.result"),
        ("lk.function_tool.arguments", "lk.function_tool.output"), ("mcp.request.argument", "mcp.response.value"),
        ("traceloop.entity.input", "traceloop.entity.output"), ("input.value", "output.value"),
        ("mastra.tool_call.input", "mastra.tool_call.output"), ("tool_input", "tool_output"), ("input", "output"),
        ("langfuse.observation.input", "langfuse.observation.output"), ("mlflow.spanInputs", "mlflow.spanOutputs"),
        ("lmnr.span.input", "lmnr.span.output"),
    ],
)  # fmt: skip
def test_arguments_and_results_of_tools(arguments: str, result: str) -> None:
    facts = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"}
    run = only_run(span({**facts, arguments: '{"city": "Paris"}', result: "22 degrees"}))
    assert (run.input, run.output) == ({"city": "Paris"}, "22 degrees")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.tool.status", "error"), ("tool.status", "error"), ("lk.function_tool.is_error", True),
        ("gen_ai.tool.success", False), ("gen_ai.tool.execution.success", False), ("error.type", "tool_error"),
    ],
)  # fmt: skip
def test_tools_that_failed_on_spans_that_did_not(key: str, value: Value) -> None:
    facts = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_weather"}
    assert only_run(span({**facts, key: value})).status == "error"


def test_a_claude_code_span_that_failed() -> None:
    facts = {"span.type": "tool", "tool_name": "Bash", "full_command": "ls", "success": False, "error": "no shell"}
    run = only_run(span(facts, scope="com.anthropic.claude_code.tracing", name="claude_code.tool"))
    assert (run.name, run.input, run.status) == ("Bash", "ls", "error")
    assert run.error is not None
    assert run.error.message == "no shell"


def test_an_attribute_called_error_tells_what_went_wrong() -> None:
    facts = {"error": '{"message": "Error in agent run", "data": {}}', "gen_ai.operation.name": "invoke_agent"}
    run = only_run(span(facts, status="error"))
    assert run.error is not None
    assert run.error.message == "Error in agent run"


def test_a_model_error_of_adk_stands_in_the_response() -> None:
    response = json.dumps({"error_code": "SAFETY", "error_message": "blocked"})
    facts = {"gcp.vertex.agent.llm_response": response}
    run = only_run(span(facts, name="call_llm", scope="gcp.vertex.agent"))
    assert run.status == "error"
    assert run.error is not None
    assert (run.error.type, run.error.message) == ("SAFETY", "blocked")


def test_openrouter_shows_what_was_asked_where_there_is_no_answer() -> None:
    facts = {"gen_ai.completion": '{"rawRequest": {"messages": [{"role": "user", "content": "hi"}]}}'}
    assert only_run(chat(facts, scope="openrouter", status="error")).output is None


def test_the_poll_that_saw_an_azure_agent_end_bills_its_run() -> None:
    thread_run = {"gen_ai.thread.run.id": "run_1", "gen_ai.system": "az.ai.agents"}
    usage = {"gen_ai.usage.input_tokens": 140, "gen_ai.usage.output_tokens": 31}
    polled = {"gen_ai.operation.name": "get_thread_run", **thread_run}
    ledger = Ledger(
        span({"gen_ai.operation.name": "start_thread_run", **thread_run}, id=1),
        span(polled, id=2, start=1, end=2),
        span({**polled, **usage}, id=3, start=3, end=4),
        span({**polled, **usage}, id=4, start=5, end=6),
    )
    assert ledger.billed() == {4: (140, 31)}
    assert not ledger.has(2)


def test_prompts_of_langchains_hub() -> None:
    facts = {"langsmith.metadata.lc_hub_repo": "weather", "langsmith.metadata.lc_hub_commit_hash": "0a1b"}
    assert call(**facts).prompt == {"name": "weather", "version": "0a1b"}


def test_content_blocks_of_openinference_that_hold_tool_calls() -> None:
    block = "llm.output_messages.0.message.contents.0.message_content"
    run = call(
        **{
            "llm.output_messages.0.message.role": "assistant",
            f"{block}.type": "tool_use",
            f"{block}.tool_call.id": "c1",
            f"{block}.tool_call.function.name": "get_weather",
            f"{block}.tool_call.function.arguments": '{"city": "Paris"}',
        }
    )
    called = {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Paris"}}
    assert run.output == [{"role": "assistant", "parts": [called]}]


def test_the_raw_request_of_litellm_fills_what_its_parent_lacks() -> None:
    raw = {"llm.openai.messages": "[{'role': 'user', 'content': 'hi'}]"}
    ledger = Ledger(
        chat(id=1, scope="litellm", name="litellm_request"),
        span(raw, id=2, parent=1, scope="litellm", name="raw_gen_ai_request"),
    )
    assert ledger.run(1).input == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def test_documents_of_a_vector_search_that_openllmetry_keeps_as_events() -> None:
    hit = event("db.query.result", {"db.query.result.id": "a", "db.query.result.document": "Paris is mild."})
    run = only_run(span({"db.system": "chroma", "db.operation": "query"}, name="chroma.query", events=[hit]))
    assert (run.type, run.output) == ("retriever", [{"id": "a", "content": "Paris is mild."}])


@pytest.mark.parametrize(
    ("value", "kind"), [("llm", "llm"), ("session", "chain"), ("AgentOpsSpanKindValues.TOOL", "tool")]
)
def test_kinds_of_agentops_with_and_without_the_enumerations_name(value: str, kind: str) -> None:
    assert only_run(span({"agentops.span.kind": value})).type == kind
