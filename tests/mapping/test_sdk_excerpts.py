"""Excerpts of what single SDKs send, where the rule that reads them is a general one."""

from __future__ import annotations

import json

from tests.mapping.build import Ledger, event, only_run, span, usage_of

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
        return only_run(span(facts, scope="openinference.instrumentation.litellm")).request_model

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
