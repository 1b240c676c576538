"""Facts of a model call beside messages and usage: models, parameters, response id, finish reasons, streaming."""

from __future__ import annotations

import pytest

from spanledger.model.records import Run
from spanledger.model.span import Value
from tests.mapping.build import chat, only_run, span


def call(facts: dict[str, Value], name: str = "a span") -> Run:
    return only_run(span({"gen_ai.operation.name": "chat", **facts}, name=name))


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "asked", "answered"),
    [
        (
            {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06"},
            "gpt-4o",
            "gpt-4o-2024-08-06",
        ),
        ({"gen_ai.request.model": "gpt-4o"}, "gpt-4o", "gpt-4o"),
        ({"gen_ai.response.model": "gpt-4o-2024-08-06"}, None, "gpt-4o-2024-08-06"),
        ({"llm.model_name": "gpt-4o-2024-08-06"}, "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ({"llm.invocation_parameters": '{"model":"gpt-4o"}', "llm.model_name": "gpt-4o-0806"}, "gpt-4o", "gpt-4o-0806"),
        ({"llm.request.model_name": "a", "llm.response.model_name": "b"}, "a", "b"),
        ({"ai.model.id": "gpt-4o", "ai.response.model": "gpt-4o-0806"}, "gpt-4o", "gpt-4o-0806"),
        ({"aisdk.model.id": "gpt-4o"}, "gpt-4o", "gpt-4o"),
        ({"gen_ai.llm.model": "gpt-4o"}, "gpt-4o", "gpt-4o"),
        ({"request_data": '{"model":"gpt-4o"}', "response_data": '{"model":"gpt-4o-0806"}'}, "gpt-4o", "gpt-4o-0806"),
        ({"langsmith.metadata.ls_model_name": "gpt-4o"}, "gpt-4o", "gpt-4o"),
        ({"gen_ai.request.model": "models/gemini-2.0-flash"}, "gemini-2.0-flash", "gemini-2.0-flash"),
        ({"gen_ai.request.model": "none", "gen_ai.response.model": "unknown"}, None, None),
        ({"gen_ai.request.model": 7}, "7", "7"),
    ],
)
def test_models(facts: dict[str, Value], asked: str | None, answered: str | None) -> None:
    run = call(facts)
    assert (run.request_model, run.model) == (asked, answered)


def test_the_model_in_a_span_name_is_better_than_none() -> None:
    assert call({}, name="chat gpt-4o").request_model == "gpt-4o"


def test_an_openinference_completion_with_nothing_but_an_invented_body_keeps_the_native_model() -> None:
    """OpenInference's processors write {"id", "model"} into output.value (hard case 78)."""
    run = call({"gen_ai.request.model": "gpt-4o", "output.value": '{"id":"x","model":"other"}'})
    assert run.request_model == "gpt-4o"


# --- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gen_ai.request.temperature": 0.2}, {"temperature": 0.2}),
        ({"gen_ai.request.temperature": "0.7"}, {"temperature": 0.7}),
        ({"gen_ai.request.temperature": 0}, {"temperature": 0}),
        ({"gen_ai.request.temperature": True}, {}),
        ({"gen_ai.request.temperature": "warm"}, {}),
        ({"gen_ai.request.temperature": float("nan")}, {}),
        ({"gen_ai.request.top_p": 1.0}, {"top_p": 1}),
        ({"gen_ai.request.top_k": 40.0}, {"top_k": 40}),
        ({"gen_ai.request.max_tokens": 100}, {"max_tokens": 100}),
        ({"gen_ai.request.max_tokens": "100"}, {"max_tokens": 100}),
        ({"gen_ai.request.max_tokens": -1}, {}),
        ({"gen_ai.request.max_completion_tokens": 64}, {"max_tokens": 64}),
        ({"gen_ai.request.seed": 7}, {"seed": 7}),
        ({"gen_ai.request.seed": ""}, {}),
        ({"gen_ai.openai.request.seed": 7}, {"seed": 7}),
        ({"gen_ai.request.choice.count": 2}, {"choice_count": 2}),
        ({"gen_ai.request.n": 2}, {"choice_count": 2}),
        ({"gen_ai.request.stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"gen_ai.request.stop_sequences": '["a", "b"]'}, {"stop": ["a", "b"]}),
        ({"gen_ai.request.stop_sequences": "END"}, {"stop": ["END"]}),
        ({"gen_ai.request.stop_sequences": []}, {}),
        ({"gen_ai.request.frequency_penalty": 0.5, "llm.presence_penalty": 0.25},
         {"frequency_penalty": 0.5, "presence_penalty": 0.25}),
        ({"gen_ai.output.type": "json"}, {"response_format": "json"}),
        ({"gen_ai.request.encoding_formats": '["float"]'}, {"encoding_formats": ["float"]}),
        ({"ai.prompt.toolChoice": '{"type":"auto"}'}, {"tool_choice": {"type": "auto"}}),
        ({"gen_ai.request.tool_choice": "required"}, {"tool_choice": "required"}),
        ({"gen_ai.request.reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ({"gen_ai.request.reasoning.level": "low"}, {"reasoning_effort": "low"}),
        ({"openai.request.service_tier": "flex"}, {"service_tier": "flex"}),
        ({"gen_ai.openai.request.service_tier": "flex"}, {"service_tier": "flex"}),
        ({"gen_ai.request.user": "u1"}, {"user": "u1"}),
        ({"gen_ai.request.user": ""}, {}),
        ({"gen_ai.request.structured_output_schema": '{"type":"object"}'}, {"output_schema": {"type": "object"}}),
        ({"llm.invocation_parameters": '{"temperature":0.2,"max_tokens":10,"stop":["x"],"tools":[]}'},
         {"temperature": 0.2, "max_tokens": 10, "stop": ["x"]}),
        ({"llm.invocation_parameters": '{"maxOutputTokens":10,"topP":0.9}'}, {"max_tokens": 10, "top_p": 0.9}),
        ({"llm.invocation_parameters": '{"reasoning":{"effort":"low"}}'},
         {"reasoning": {"effort": "low"}, "reasoning_effort": "low"}),
        ({"langfuse.observation.model.parameters": '{"temperature":"0.3"}'}, {"temperature": 0.3}),
        ({"request_data": '{"model":"m","messages":[],"temperature":0.1,"max_output_tokens":5}'},
         {"temperature": 0.1, "max_tokens": 5}),
        ({"gcp.vertex.agent.llm_request": '{"model":"m","config":{"temperature":0.4,"top_k":3}}'},
         {"temperature": 0.4, "top_k": 3}),
        ({"gcp.gen_ai.operation.config.temperature": 0.6}, {"temperature": 0.6}),
        ({"ai.settings.maxOutputTokens": 20, "ai.settings.temperature": 0.5, "ai.settings.maxRetries": 2},
         {"max_tokens": 20, "temperature": 0.5, "max_retries": 2}),
        ({"langsmith.metadata.ls_temperature": 0.2, "langsmith.metadata.ls_max_tokens": 9},
         {"temperature": 0.2, "max_tokens": 9}),
    ],
)  # fmt: skip
def test_parameters(facts: dict[str, Value], expected: dict[str, Value]) -> None:
    assert call(facts).params == expected


def test_an_attribute_beats_the_request_body() -> None:
    facts = {"gen_ai.request.temperature": 0.2, "request_data": '{"model":"m","temperature":0.9}'}
    assert call(facts).params == {"temperature": 0.2}


def test_openinference_agents_puts_the_whole_response_there_and_only_parameters_are_taken() -> None:
    whole = '{"id":"resp_1","created_at":1,"instructions":"x","temperature":1.0,"output":[],"store":true}'
    assert call({"llm.invocation_parameters": whole}).params == {"temperature": 1, "store": True}


def test_placeholders_of_parameters_stay_in_the_attributes() -> None:
    run = call({"gen_ai.request.max_tokens": -1, "gen_ai.request.seed": "None"})
    assert run.params == {}
    assert run.attributes == {"gen_ai.request.max_tokens": -1, "gen_ai.request.seed": "None"}


# --- answer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gen_ai.response.id": "chatcmpl-1"}, "chatcmpl-1"),
        ({"ai.response.id": "aitxt-1"}, "aitxt-1"),
        ({"gen_ai.response.id": "none"}, None),
        ({"output.value": '{"id":"chatcmpl-1","choices":[]}'}, "chatcmpl-1"),
        ({"response_data": '{"id":"msg_1","content":[]}'}, "msg_1"),
        ({"aws.request_id": "req"}, "req"),
    ],
)
def test_response_id(facts: dict[str, Value], expected: str | None) -> None:
    assert call(facts).response_id == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gen_ai.response.finish_reasons": ["stop"]}, ["stop"]),
        ({"gen_ai.response.finish_reasons": '["stop"]'}, ["stop"]),
        ({"gen_ai.response.finish_reasons": "STOP"}, ["stop"]),
        ({"gen_ai.response.finish_reasons": "FinishReason.STOP"}, ["stop"]),
        ({"gen_ai.response.finish_reasons": "stop,tool_calls"}, ["stop", "tool_call"]),
        ({"gen_ai.response.finish_reasons": ["end_turn"]}, ["stop"]),
        ({"gen_ai.response.finish_reasons": ["max_tokens"]}, ["length"]),
        ({"gen_ai.response.finish_reasons": ["tool_use"]}, ["tool_call"]),
        ({"gen_ai.response.finish_reasons": ["SAFETY"]}, ["content_filter"]),
        ({"gen_ai.response.finish_reasons": [""]}, []),
        ({"gen_ai.response.finish_reasons": ["pause_turn"]}, ["pause_turn"]),
        ({"ai.response.finishReason": "tool-calls"}, ["tool_call"]),
        ({"ai.finishReason": "stop"}, ["stop"]),
        ({"llm.finish_reason": "length"}, ["length"]),
        ({"gen_ai.completion.0.finish_reason": "stop", "gen_ai.completion.0.content": "x"}, ["stop"]),
        ({"stop_reason": "end_turn"}, ["stop"]),
        ({"response_data": '{"content":[{"type":"text","text":"x"}],"stop_reason":"max_tokens"}'}, ["length"]),
    ],
)
def test_finish_reasons(facts: dict[str, Value], expected: list[str]) -> None:
    assert call(facts).finish_reasons == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"gen_ai.request.stream": True}, True),
        ({"llm.is_streaming": "True"}, True),
        ({"llm.is_streaming": "False"}, False),
        ({"gen_ai.is_streaming": False}, False),
        ({"ai.response.msToFirstChunk": 12}, True),
        ({"request_data": '{"model":"m","stream":true}'}, True),
        ({"llm.invocation_parameters": '{"stream":true}'}, True),
        ({}, None),
    ],
)
def test_streaming(facts: dict[str, Value], expected: bool | None) -> None:
    assert call(facts).streaming is expected


def test_the_ai_sdks_inner_stream_span_is_a_stream() -> None:
    facts = {"ai.operationId": "ai.streamText.doStream"}
    assert only_run(span(facts, name="ai.streamText.doStream")).streaming is True


def test_tools_offered() -> None:
    definitions = '[{"type":"function","name":"get_weather","description":"d","parameters":{"type":"object"}}]'
    assert call({"gen_ai.tool.definitions": definitions}).tools == [
        {"name": "get_weather", "description": "d", "parameters": {"type": "object"}}
    ]


def test_operation_is_kept_as_received() -> None:
    assert only_run(chat()).operation == "chat"
    assert only_run(span({"ai.operationId": "ai.embed.doEmbed"})).operation == "ai.embed.doEmbed"


def test_agents_and_tools_have_no_parameters() -> None:
    facts = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.temperature": 0.2}
    assert only_run(span(facts)).params == {}
