"""The kind of a run: explicit attributes in order of rank, then span names, then what the facts themselves say."""

from __future__ import annotations

import pytest

from spanledger.mapping.dialects.base import MERGE, SKIP, WEAK_CHAIN
from spanledger.mapping.kind import dialect_of_scope, kind_of
from spanledger.model.span import Value
from tests.mapping.build import Ledger, chat, only_run, span

# Strongest first: docs/dialects.md, kind of run. Each says another kind than all the others.
SIGNALS: list[tuple[str, Value, str]] = [
    ("lunary.run.type", "chat", "chat"),
    ("langfuse.observation.type", "guardrail", "guardrail"),
    ("langsmith.span.kind", "retriever", "retriever"),
    ("lmnr.span.type", "TOOL", "tool"),
    ("mlflow.spanType", '"RERANKER"', "rerank"),
    ("weave.span.kind", "agent", "agent"),
    ("braintrust.span_attributes.type", "score", "evaluator"),
    ("openinference.span.kind", "EMBEDDING", "embed"),
    ("gen_ai.operation.name", "chat", "llm"),
    ("traceloop.span.kind", "workflow", "chain"),
    ("llm.request.type", "embedding", "embed"),
    ("ai.operationId", "ai.toolCall", "tool"),
]


@pytest.mark.parametrize("strongest", range(len(SIGNALS)))
def test_the_strongest_attribute_decides(strongest: int) -> None:
    facts = {key: value for key, value, _ in SIGNALS[strongest:]}
    assert kind_of(span(facts)) == SIGNALS[strongest][2]


def test_an_operation_that_nobody_knows_leaves_the_word_to_the_next_signal() -> None:
    run = only_run(span({"gen_ai.operation.name": "levitate", "traceloop.span.kind": "tool"}))
    assert (run.type, run.operation) == ("tool", "levitate")


def test_an_openinference_kind_that_says_unknown_leaves_the_word_to_the_next_signal() -> None:
    assert kind_of(span({"openinference.span.kind": "UNKNOWN", "gen_ai.operation.name": "chat"})) == "llm"


@pytest.mark.parametrize("written", ["chat", "CHAT", '"chat"', " chat "])
def test_values_are_read_whatever_their_case_and_quotes(written: str) -> None:
    assert kind_of(span({"gen_ai.operation.name": written})) == "llm"


def test_a_kind_that_is_no_text_says_nothing() -> None:
    assert kind_of(span({"gen_ai.operation.name": ["chat"], "openinference.span.kind": 7})) is None


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "llm"),
        ("generate_content", "llm"),
        ("text_completion", "llm"),
        ("chat.completions", "llm"),
        ("acompletion", "llm"),
        ("aresponses", "llm"),
        ("image_generation", "llm"),
        ("transcription", "llm"),
        ("moderation", "llm"),
        ("tool_selection", "llm"),
        ("embeddings", "embed"),
        ("embedding", "embed"),
        ("aembedding", "embed"),
        ("rerank", "rerank"),
        ("arerank", "rerank"),
        ("retrieval", "retriever"),
        ("vectordb", "retriever"),
        ("search_memory", "retriever"),
        ("execute_tool", "tool"),
        ("mcp_tool_call", "tool"),
        ("memory_add", "tool"),
        ("invoke_agent", "agent"),
        ("create_agent", "agent"),
        ("plan", "agent"),
        ("process_thread_run", "agent"),
        ("agent_step", "chain"),
        ("invoke_workflow", "chain"),
        ("execute_task", "chain"),
        ("agent_handoff", "chain"),
        ("guardrail_check", "guardrail"),
        ("get_thread_run", SKIP),
    ],
)
def test_operations(operation: str, kind: str) -> None:
    assert kind_of(span({"gen_ai.operation.name": operation})) == kind


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("openinference.span.kind", "LLM", "llm"),
        ("openinference.span.kind", "RERANKER", "rerank"),
        ("openinference.span.kind", "PROMPT", "chain"),
        ("openinference.span.kind", "GUARDRAIL", "guardrail"),
        ("openinference.span.kind", "EVALUATOR", "evaluator"),
        ("langfuse.observation.type", "generation", "llm"),
        ("langfuse.observation.type", "GENERATION", "llm"),
        ("langfuse.observation.type", "span", "chain"),
        ("langfuse.observation.type", "event", "chain"),
        ("langsmith.span.kind", "prompt", "chain"),
        ("langsmith.span.kind", "parser", "chain"),
        ("lmnr.span.type", "LLM", "llm"),
        ("lmnr.span.type", "CACHED", "llm"),
        ("lmnr.span.type", "DEFAULT", "chain"),
        ("lmnr.span.type", "EVALUATOR", "evaluator"),
        ("mlflow.spanType", '"CHAT_MODEL"', "llm"),
        ("mlflow.spanType", '"MEMORY"', "retriever"),
        ("mlflow.spanType", '"UNKNOWN"', "chain"),
        ("traceloop.span.kind", "agent", "agent"),
        ("traceloop.span.kind", "task", "chain"),
        ("llm.request.type", "chat", "llm"),
        ("llm.request.type", "rerank", "rerank"),
        ("ai.operationId", "ai.generateText", "chain"),
        ("ai.operationId", "ai.streamObject.doStream", "llm"),
        ("ai.operationId", "ai.embedMany", "chain"),
        ("ai.operationId", "ai.embedMany.doEmbed", "embed"),
        ("ai.operationId", "ai.rerank.doRerank", "rerank"),
        ("genkit:metadata:subtype", "model", "llm"),
        ("genkit:metadata:subtype", "flow", "chain"),
        ("genkit:metadata:subtype", "userFeedback", SKIP),
        ("genkit:type", "util", SKIP),
        ("spring.ai.kind", "chat_client", "chain"),
        ("spring.ai.kind", "advisor", SKIP),
        ("spring.ai.kind", "vector_store", "retriever"),
        ("mastra.span.type", "model_generation", "llm"),
        ("mastra.span.type", "model_chunk", SKIP),
        ("mastra.span.type", "workflow_step", "chain"),
        ("mastra.span.type", "mcp_tool_call", "tool"),
        ("braintrust.span_attributes.type", "function", "tool"),
        ("span.type", "interaction", "agent"),
        ("span.type", "llm_request", "llm"),
        ("haystack.component.type", "OpenAIChatGenerator", "llm"),
        ("haystack.component.type", "SentenceTransformersTextEmbedder", "embed"),
        ("haystack.component.type", "InMemoryBM25Retriever", "retriever"),
        ("haystack.component.type", "ToolInvoker", "tool"),
        ("haystack.component.type", "PromptBuilder", "chain"),
        ("mcp.method.name", "tools/call", "tool"),
        ("mcp.method.name", "prompts/get", "chain"),
        ("mcp.method.name", "resources/read", "retriever"),
        ("mcp.method.name", "tools/list", SKIP),
        ("mcp.method.name", "notifications/progress", SKIP),
    ],
)
def test_attributes_of_the_dialects(key: str, value: str, kind: str) -> None:
    assert kind_of(span({key: value})) == kind


def test_laminars_wrapping_types_give_way_to_the_original_type() -> None:
    assert kind_of(span({"lmnr.span.type": "EVALUATOR", "lmnr.span.original_type": "LLM"})) == "llm"


def test_langfuse_span_is_the_sdks_default_and_gives_way_to_what_the_span_says() -> None:
    """langfuse-python before 3.3.1 writes type "span" on generations."""
    assert kind_of(span({"langfuse.observation.type": "span", "gen_ai.operation.name": "chat"})) == "llm"


def test_the_response_span_of_openai_agents_is_a_model_call_only_with_usage() -> None:
    response = {"gen_ai.operation.name": "response"}
    assert kind_of(span(response)) == "chain"
    assert kind_of(span({**response, "gen_ai.usage.input_tokens": 56})) == "llm"


@pytest.mark.parametrize(
    ("name", "scope", "kind"),
    [
        ("chat gpt-4o", "", "llm"),
        ("embeddings text-embedding-3-small", "", "embed"),
        ("execute_tool get_weather", "", "tool"),
        ("invoke_agent", "", "agent"),
        ("invoke_agent weather-agent", "", "agent"),
        ("agent run", "pydantic-ai", "agent"),
        ("weather run", "pydantic-ai", "agent"),
        ("running tool", "pydantic-ai", "tool"),
        ("running tool: get_weather", "pydantic-ai", "tool"),
        ("running 2 tools", "pydantic-ai", SKIP),
        ("preparing model request params", "pydantic-ai", SKIP),
        ("invocation", "gcp.vertex.agent", "chain"),
        ("agent_run [weather]", "gcp.vertex.agent", "agent"),
        ("call_llm", "gcp.vertex.agent", "llm"),
        ("execute_tool (merged tools)", "gcp.vertex.agent", SKIP),
        ("get_weather.tool", "opentelemetry.instrumentation.langchain", "tool"),
        ("LangGraph.workflow", "opentelemetry.instrumentation.langchain", "chain"),
        ("VectorStoreRetriever.task", "opentelemetry.instrumentation.langchain", "retriever"),
        ("RunnableSequence.task", "opentelemetry.instrumentation.langchain", SKIP),
        ("initialize.mcp", "opentelemetry.instrumentation.mcp", SKIP),
        ("ai.generateText.doGenerate", "ai", "llm"),
        ("step 1", "gen_ai", "chain"),
        ("execute_event_loop_cycle", "strands.telemetry.tracer", "chain"),
        ("completion gpt-4o", "io.quarkus.opentelemetry", "llm"),
        ("raw_gen_ai_request", "litellm", MERGE),
        ("redis", "litellm", SKIP),
        ("Crew Created", "crewai.telemetry", SKIP),
        ("agent_turn", "livekit-agents", "agent"),
        ("function_tool", "livekit-agents", "tool"),
        ("llm_request", "livekit-agents", "llm"),
        ("eou_detection", "livekit-agents", SKIP),
        ("haystack.pipeline.run", "my.tracer", "chain"),
        ("workflow.build", "agent_framework", SKIP),
        ("edge_group.process", "agent_framework", SKIP),
        ("claude_code.tool.execution", "com.anthropic.claude_code.tracing", MERGE),
        ("provider attempt 1: Azure", "openrouter", SKIP),
    ],
)
def test_span_names(name: str, scope: str, kind: str) -> None:
    assert kind_of(span(name=name, scope=scope)) == kind


@pytest.mark.parametrize(
    "name", ["weather run", "invocation", "redis", "generation", "x.tool", "step 1", "llm_request"]
)
def test_names_of_one_instrumentation_say_nothing_in_anothers_scope(name: str) -> None:
    assert kind_of(span(name=name, scope="my.tracer")) is None


def test_an_attribute_beats_a_span_name() -> None:
    assert kind_of(span({"gen_ai.operation.name": "execute_tool"}, name="chat gpt-4o")) == "tool"


@pytest.mark.parametrize(
    "name", ["initialize database", "ping the cluster", "tools/list", "message.send", "search.mcp"]
)
def test_a_name_that_is_noise_for_one_protocol_does_not_hide_another_ones_run(name: str) -> None:
    assert kind_of(span({"gen_ai.operation.name": "invoke_agent"}, name=name, scope="my.tracer")) == "agent"


def test_what_mcp_says_to_itself_is_noise() -> None:
    assert kind_of(span(name="initialize", scope="mcp")) == SKIP
    assert kind_of(span(name="tools/list", scope="mcp")) == SKIP


# --- inference -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 56}, "llm"),
        ({"gen_ai.request.model": "gpt-4o", "gen_ai.input.messages": "[]x"}, "llm"),
        ({"gen_ai.response.model": "gpt-4o", "gen_ai.system": "openai"}, None),
        ({"gen_ai.response.model": "gpt-4o", "gen_ai.provider.name": "openai"}, "llm"),
        ({"gen_ai.request.model": "gpt-4o"}, None),
        (
            {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 8, "gen_ai.embeddings.dimension.count": 3},
            "embed",
        ),
        ({"gen_ai.tool.name": "get_weather"}, "tool"),
        ({"gen_ai.tool.call.id": "call_1"}, "tool"),
        ({"gen_ai.tool.name": "get_weather", "gen_ai.usage.input_tokens": 56}, None),
        ({"gen_ai.retrieval.query.text": "Paris"}, "retriever"),
        ({"db.system": "chroma", "db.operation": "query"}, "retriever"),
        ({"db.system": "pinecone", "db.operation": "upsert"}, SKIP),
        ({"db.system": "postgresql", "db.operation": "SELECT"}, None),
        ({"http.request.method": "POST", "server.address": "api.openai.com"}, None),
    ],
)
def test_facts_tell_the_kind_where_nothing_else_does(facts: dict[str, Value], kind: str | None) -> None:
    assert kind_of(span(facts, name="POST")) == kind


def test_a_span_without_any_sign_of_a_model_is_no_run() -> None:
    assert Ledger(span({"http.request.method": "POST"}, name="POST /v1/chat/completions", kind="client")).runs == []


@pytest.mark.parametrize("kind", ["internal", "server", "client", "producer", "consumer"])
def test_the_span_kind_is_no_sign_of_the_runs_kind(kind: str) -> None:
    assert only_run(span({"gen_ai.operation.name": "invoke_agent"}, kind=kind)).type == "agent"


def test_a_pending_span_of_logfire_is_noise() -> None:
    pending = {"logfire.span_type": "pending_span", "logfire.pending_parent_id": "0000000000000001"}
    assert kind_of(chat(pending, scope="pydantic-ai")) == SKIP


def test_a_log_of_logfire_is_noise_unless_it_holds_a_model_call() -> None:
    assert kind_of(span({"logfire.span_type": "log", "logfire.msg": "hello"}, scope="logfire")) == SKIP


@pytest.mark.parametrize("scope", ["langfuse-sdk", "openlit", "lmnr.sdk"])
def test_a_bare_span_of_a_tracing_sdk_is_an_application_span(scope: str) -> None:
    assert kind_of(span(name="checkout", scope=scope)) == WEAK_CHAIN


@pytest.mark.parametrize(
    ("scope", "dialect"),
    [
        ("openinference.instrumentation.openai", "openinference"),
        ("@arizeai/openinference-instrumentation-openai", "openinference"),
        ("opentelemetry.instrumentation.anthropic", "openllmetry"),
        ("opentelemetry.instrumentation.openai.v1", "openllmetry"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "botocore"),
        ("opentelemetry.instrumentation.google_genai", "google_genai"),
        ("opentelemetry.instrumentation.google_generativeai", "openllmetry"),
        ("opentelemetry.instrumentation.httpx", None),
        ("pydantic-ai", "pydantic_ai"),
        ("logfire.openai", "logfire"),
        ("openlit.otel.tracing", "openlit"),
        ("langfuse-sdk", "langfuse"),
        ("", None),
    ],
)
def test_dialect_of_a_scope(scope: str, dialect: str | None) -> None:
    assert dialect_of_scope(scope) == dialect
