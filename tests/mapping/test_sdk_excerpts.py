"""Excerpts of what single SDKs send, where the rule that reads them is a general one."""

from __future__ import annotations

import json

from tests.mapping.build import Ledger, chat, event, only_run, span, usage_of

_MLFLOW = {
    "mlflow.spanType": '"CHAT_MODEL"',
    "mlflow.spanInputs": '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": true}',
    "mlflow.llm.model": '"gpt-4o-mini-2024-07-18"',
}


def test_mlflow_writes_every_attribute_as_json_and_the_answered_model_as_the_model() -> None:
    run = only_run(span({**_MLFLOW, "mlflow.trace.user": '"u-42"', "mlflow.trace.session": '"s-9"'}))
    assert (run.provider, run.request_model, run.model) == ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (run.user_id, run.session_id, run.name) == ("u-42", "s-9", "gpt-4o-mini")


def test_mlflow_names_openais_cache_as_anthropic_does_but_counts_as_openai() -> None:
    counts = {"input_tokens": 211, "output_tokens": 37, "total_tokens": 248, "cache_read_input_tokens": 128}
    usage = usage_of(span({**_MLFLOW, "mlflow.chat.tokenUsage": json.dumps(counts)}))
    assert (usage.input_tokens, usage.cache_read_tokens, usage.convention) == (211, 128, "inclusive")


def test_mlflow_keeps_a_streams_tool_call_only_in_its_chunks() -> None:
    def chunk(delta: object, finish: str | None = None) -> str:
        return json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            }
        )

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    pieces = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": None, "tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": '{"city": '}}]}),
        chunk({"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": '"Paris"}'}}]}),
        chunk({}, "tool_calls"),
    ]
    joined = {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "", "tool_calls": None}}]
    }
    run = only_run(
        span(
            {**_MLFLOW, "mlflow.spanOutputs": json.dumps(joined)},
            events=[
                event(f"mlflow.chunk.item.{number}", {"mlflow.chunk.value": piece})
                for number, piece in enumerate(pieces)
            ],
        )
    )
    (answer,) = run.output
    assert [part for part in answer["parts"] if part["type"] == "tool_call"] == [
        {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
    ]
    assert run.finish_reasons == ["tool_call"]
    assert run.streaming is True


def test_adk_merges_responses_of_parallel_tools_in_a_span_that_is_no_run() -> None:
    merged = span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"},
        name="execute_tool (merged)",
        scope="gcp.vertex.agent",
    )
    assert Ledger(merged).runs == []


def test_the_repr_of_a_stream_is_no_answer() -> None:
    run = only_run(
        span(
            {
                "openinference.span.kind": "LLM",
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "Hello",
                "output.value": "<groq.Stream object at 0x7f2ad2c60750>",
            },
            scope="openinference.instrumentation.groq",
        )
    )
    assert run.output is None


def test_ids_and_reasoning_that_flattening_dropped_come_from_the_body_beside_it() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    message = {"role": "assistant", "content": "", "reasoning_content": "Look it up.", "tool_calls": [call]}
    body = {"id": "c", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}
    prefix = "llm.output_messages.0.message"
    run = only_run(
        span(
            {
                "openinference.span.kind": "LLM",
                f"{prefix}.role": "assistant",
                f"{prefix}.tool_calls.0.tool_call.function.name": "get_weather",
                f"{prefix}.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
                "output.value": json.dumps(body),
                "output.mime_type": "application/json",
            },
            scope="openinference.instrumentation.mistralai",
        )
    )
    assert run.output[0]["parts"] == [
        {"type": "reasoning", "content": "Look it up."},
        {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}},
    ]


def test_a_provider_in_front_of_its_own_model_is_a_route_not_part_of_the_name() -> None:
    def asked(provider: str, model: str) -> str | None:
        facts = {"openinference.span.kind": "LLM", "llm.provider": provider, "llm.model_name": model}
        return only_run(span(facts)).request_model

    assert asked("anthropic", "anthropic/claude-sonnet-4-5") == "claude-sonnet-4-5"
    assert asked("gemini", "gemini/gemini-2.5-flash") == "gemini-2.5-flash"
    assert asked("openrouter", "openrouter/auto") == "openrouter/auto"
    assert asked("groq", "openai/gpt-oss-120b") == "openai/gpt-oss-120b"


def test_openllmetry_writes_coheres_rerank_as_a_conversation() -> None:
    run = only_run(
        span(
            {
                "gen_ai.system": "Cohere",
                "llm.request.type": "rerank",
                "gen_ai.request.model": "rerank-v3.5",
                "gen_ai.prompt.0.role": "system",
                "gen_ai.prompt.0.content": "owls fly",
                "gen_ai.prompt.1.role": "system",
                "gen_ai.prompt.1.content": "foxes run",
                "gen_ai.prompt.2.role": "user",
                "gen_ai.prompt.2.content": "night birds",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": "Doc 1, Score: 0.9",
            }
        )
    )
    assert run.type == "rerank"
    assert run.input == {"query": "night birds", "documents": [{"content": "owls fly"}, {"content": "foxes run"}]}
    assert run.output == [{"id": "1", "content": "foxes run", "score": 0.9}]


def test_an_event_per_chunk_tells_that_the_answer_was_streamed() -> None:
    facts = {"gen_ai.system": "Cohere", "llm.request.type": "chat", "gen_ai.request.model": "command-r-plus"}
    run = only_run(span(facts, events=[event("llm.content.completion.chunk")]))
    assert (run.streaming, run.ttft_ns) == (True, 500_000_000)


def test_smolagents_prints_the_clients_response_and_names_roles_of_its_own() -> None:
    raw = (
        "ChatCompletion(id='chatcmpl-AbCdEfGhIjKlMnOp', choices=[Choice(finish_reason='tool_calls', index=0, "
        "logprobs=None, message=ChatCompletionMessage(content=None))], model='gpt-4o-mini-2024-07-18')"
    )
    run = only_run(
        span(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4o-mini",
                "llm.input_messages.0.message.role": "tool-call",
                "llm.input_messages.0.message.content": "Calling tools: get_weather",
                "llm.input_messages.1.message.role": "tool-response",
                "llm.input_messages.1.message.content": "Observation: 21 degrees",
                "output.value": json.dumps({"role": "assistant", "content": None, "raw": raw}),
            },
            scope="openinference.instrumentation.smolagents",
        )
    )
    assert (run.response_id, run.model) == ("chatcmpl-AbCdEfGhIjKlMnOp", "gpt-4o-mini-2024-07-18")
    assert run.finish_reasons == ["tool_call"]
    assert [message["role"] for message in run.input] == ["assistant", "user"]


def test_smolagents_tools_are_given_their_keyword_arguments() -> None:
    called = {"args": [], "sanitize_inputs_outputs": True, "kwargs": {"city": "Paris"}}
    schema = {"city": {"type": "string", "description": "the city"}}
    run = only_run(
        span(
            {
                "openinference.span.kind": "TOOL",
                "tool.name": "get_weather",
                "tool.parameters": json.dumps(schema),
                "input.value": json.dumps(called),
                "output.value": "21 degrees",
            },
            scope="openinference.instrumentation.smolagents",
        )
    )
    assert run.input == {"city": "Paris"}


def test_traceai_flattens_messages_below_the_conventions_keys_and_writes_the_answered_model_as_the_requested() -> None:
    run = only_run(
        span(
            {
                "gen_ai.span.kind": "LLM",
                "gen_ai.provider.name": "openai",
                "gen_ai.tool.definitions": "null",
                "gen_ai.request.parameters": '{"model": "gpt-4o-mini", "max_tokens": 77}',
                "gen_ai.request.model": "gpt-4o-mini-2024-07-18",
                "gen_ai.input.messages.0.message.role": "system",
                "gen_ai.input.messages.0.message.content": "Be terse.",
                "gen_ai.input.messages.1.message.role": "user",
                "gen_ai.input.messages.1.message.content": "Hello",
                "input.value": "Be terse.",
                "gen_ai.output.messages.0.message.role": "assistant",
                "gen_ai.output.messages.0.message.content": "Hi.",
            },
            scope="traceai_openai",
        )
    )
    assert run.dialects[0] == "traceai"
    assert (run.type, run.request_model, run.model) == ("llm", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert [message["role"] for message in run.input] == ["system", "user"]
    assert run.params == {"max_tokens": 77}
    assert run.tools is None


def test_langwatch_wraps_values_with_their_type_and_puts_the_trace_into_metadata() -> None:
    asked = {"type": "chat_messages", "value": [{"role": "user", "content": "Hello"}]}
    said = {"type": "chat_messages", "value": [{"role": "assistant", "content": "Hi."}]}
    trace = {"user_id": "u-42", "thread_id": "th-7", "labels": ["blue"], "customer": "acme"}
    ledger = Ledger(
        span({"langwatch.span.type": "span", "metadata": json.dumps(trace)}, id=1, scope="langwatch", name="my-trace"),
        span(
            {
                "langwatch.span.type": "llm",
                "langwatch.input": json.dumps(asked),
                "langwatch.output": json.dumps(said),
                "gen_ai.request.model": "openai/gpt-4o-mini",
                "langwatch.params": '{"temperature": 0.25}',
                "langwatch.metrics": '{"prompt_tokens": 211, "completion_tokens": 37}',
            },
            id=2,
            parent=1,
            scope="langwatch",
            name="llm",
        ),
    )
    call = ledger.run(2)
    assert (call.provider, call.request_model, call.params) == ("openai", "gpt-4o-mini", {"temperature": 0.25})
    assert call.input == [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert call.output == [{"role": "assistant", "parts": [{"type": "text", "content": "Hi."}]}]
    assert ledger.billed() == {2: (211, 37)}
    assert (call.user_id, call.session_id) == ("u-42", "th-7")
    root = ledger.run(1)
    assert (root.tags, root.metadata) == (["blue"], {"customer": "acme"})


def test_langtrace_names_embeddings_and_ids_in_its_own_way() -> None:
    run = only_run(
        span(
            {
                "langtrace.service.name": "OpenAI",
                "gen_ai.operation.name": "embed",
                "gen_ai.request.model": "text-embedding-3-small",
                "gen_ai.request.embedding_inputs": '["alpha owl", "beta fox"]',
                "gen_ai.request.dimensions": 3.0,
                "gen_ai.response_id": "emb-1",
            },
            scope="langtrace_python_sdk.instrumentation.openai.instrumentation",
        )
    )
    assert (run.type, run.provider, run.response_id) == ("embed", "openai", "emb-1")
    assert (run.input, run.params) == (["alpha owl", "beta fox"], {"dimensions": 3})


def test_logfires_spans_of_openai_agents_are_told_by_their_templates() -> None:
    scope = "logfire.openai_agents"
    ledger = Ledger(
        span({"logfire.span_type": "span", "name": "WeatherBot"}, id=1, name="Agent run: {name!r}", scope=scope),
        span(
            {"logfire.span_type": "span", "usage": '{"input_tokens": 211}'},
            id=2,
            parent=1,
            name="Turn {turn} for agent WeatherBot",
            scope=scope,
        ),
        span(
            {
                "logfire.span_type": "span",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 211,
                "gen_ai.usage.output_tokens": 37,
            },
            id=3,
            parent=2,
            name="Chat completion with {gen_ai.request.model!r}",
            scope=scope,
        ),
        span(
            {"logfire.span_type": "span", "name": "get_weather", "input": '{"city": "Paris"}', "output": "21 degrees"},
            id=4,
            parent=2,
            name="Function: {name}",
            scope=scope,
        ),
    )
    assert [(ledger.run(id).type, ledger.run(id).name) for id in (1, 3, 4)] == [
        ("agent", "WeatherBot"),
        ("llm", "gpt-4o-mini"),
        ("tool", "get_weather"),
    ]
    assert not ledger.has(2)
    assert (ledger.run(4).input, ledger.run(4).output) == ({"city": "Paris"}, "21 degrees")
    assert ledger.run(3).parent_run_id == ledger.run(1).run_id
    assert ledger.billed() == {3: (211, 37)}


def test_two_instrumentations_that_disagree_on_a_streams_output_tell_of_one_call() -> None:
    response = "msg_01AbCdEfGhIjKlMnOpQrStUv"
    native = chat(tokens=(211, 37), provider="anthropic", response_id=response, trace=1)
    added_first_chunk = chat(tokens=(211, 38), provider="anthropic", response_id=response, trace=2)
    assert sum(run.billable for run in Ledger(native, added_first_chunk).runs) == 1
    beside = chat(tokens=(211, 38), provider="anthropic", response_id=response, id=2)
    assert sum(run.billable for run in Ledger(native, beside).runs) == 1


def test_mlflow_sums_anthropics_input_and_keeps_the_raw_counters_in_the_body() -> None:
    summed = {"input_tokens": 403, "output_tokens": 37, "total_tokens": 440, "cache_read_input_tokens": 128}
    raw = {"input_tokens": 211, "output_tokens": 37, "cache_read_input_tokens": 128, "cache_creation_input_tokens": 64}
    body = {"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "Hi."}], "usage": raw}
    usage = usage_of(
        span(
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.llm.model": '"claude-sonnet-4-5"',
                "mlflow.chat.tokenUsage": json.dumps({**summed, "cache_creation_input_tokens": 64}),
                "mlflow.spanOutputs": json.dumps(body),
            }
        )
    )
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (403, 128, 64)


def test_genkit_names_the_model_in_the_actions_name_and_keeps_the_providers_answer_as_custom() -> None:
    answer = {
        "message": {"role": "model", "content": [{"data": {"capital": "Paris"}}]},
        "finishReason": "stop",
        "usage": {"inputTokens": 211, "outputTokens": 37},
        "custom": {"candidates": [], "modelVersion": "gemini-2.5-flash-001", "responseId": "AbCdEfGhIjKlMnOpQr"},
    }
    run = only_run(
        span(
            {
                "genkit:type": "action",
                "genkit:metadata:subtype": "model",
                "genkit:name": "googleai/gemini-2.5-flash",
                "genkit:input": '{"messages": [{"role": "user", "content": [{"text": "Capital?"}]}]}',
                "genkit:output": json.dumps(answer),
            },
            name="googleai/gemini-2.5-flash",
            scope="genkit-tracer",
        )
    )
    assert (run.provider, run.request_model, run.model) == ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash-001")
    assert run.response_id == "AbCdEfGhIjKlMnOpQr"
    assert run.output[0]["parts"] == [{"type": "text", "content": '{"capital":"Paris"}'}]


def test_a_completion_by_a_model_that_only_embeds_is_an_embedding() -> None:
    run = only_run(
        span(
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "aws",
                "llm.model_name": "amazon.titan-embed-text-v2:0",
                "llm.invocation_parameters": '{"inputText": "alpha owl"}',
            },
            scope="openinference.instrumentation.bedrock",
        )
    )
    assert (run.type, run.request_model, run.input) == ("embed", "amazon.titan-embed-text-v2:0", ["alpha owl"])
