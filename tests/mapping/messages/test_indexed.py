"""Messages flattened into indexed keys (conventions §3.3)."""

from __future__ import annotations

from typing import Any

from spanledger.mapping import messages as m


def prompt(group: dict[str, Any]) -> list[dict[str, Any]]:
    return m.indexed_messages(group, default_role="user", warnings=[], key="gen_ai.prompt")


def completion(group: dict[str, Any]) -> list[dict[str, Any]]:
    return m.indexed_messages(group, default_role="assistant", warnings=[], key="gen_ai.completion")


def oi_input(group: dict[str, Any]) -> list[dict[str, Any]]:
    return m.openinference_messages(group, default_role="user", warnings=[], key="llm.input_messages")


def oi_output(group: dict[str, Any]) -> list[dict[str, Any]]:
    return m.openinference_messages(group, default_role="assistant", warnings=[], key="llm.output_messages")


def text(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Rome"}}


def test_a_conversation_with_a_tool() -> None:
    assert prompt(
        {
            "0.role": "system",
            "0.content": "Be brief",
            "1.role": "user",
            "1.content": "Weather in Rome?",
            "2.role": "assistant",
            "2.tool_calls.0.id": "c1",
            "2.tool_calls.0.name": "weather",
            "2.tool_calls.0.arguments": '{"city":"Rome"}',
            "3.role": "tool",
            "3.tool_call_id": "c1",
            "3.content": "22C",
        }
    ) == [
        text("system", "Be brief"),
        text("user", "Weather in Rome?"),
        {"role": "assistant", "parts": [CALL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "22C"}]},
    ]


def test_a_completion_keeps_its_finish_reason() -> None:
    assert completion({"0.role": "assistant", "0.content": "22C", "0.finish_reason": "stop"}) == [
        text("assistant", "22C", finish_reason="stop")
    ]


def test_order_is_by_number_and_gaps_are_fine() -> None:
    group = {"233.role": "user", "233.content": "b", "10.role": "user", "10.content": "a"}

    assert prompt(group) == [text("user", "a"), text("user", "b")]


def test_an_index_beyond_the_limit_is_no_message() -> None:
    assert prompt({"999999999.role": "user", "999999999.content": "x", "10001.content": "y"}) == []


def test_keys_without_an_index_are_no_messages() -> None:
    assert prompt({"prompt_filter_results": "[]", "variable.country": "France"}) == []


def test_what_the_filters_found_is_no_content() -> None:
    assert completion({"0.content": "ok", "0.content_filter_results": "{}"}) == [text("assistant", "ok")]


def test_a_missing_role_is_user_on_input_and_assistant_on_completions() -> None:
    assert prompt({"0.content": "hi"}) == [text("user", "hi")]
    assert completion({"0.content": "hi"}) == [text("assistant", "hi")]


def test_parallel_calls_written_as_a_completion_each_become_one_message() -> None:
    assert completion(
        {
            "0.function_call.id": "c1",
            "0.function_call.name": "weather",
            "0.function_call.arguments": '{"city":"Rome"}',
            "1.function_call.id": "c2",
            "1.function_call.name": "time",
            "1.function_call.arguments": "{}",
            "1.finish_reason": "tool_calls",
        }
    ) == [
        {
            "role": "assistant",
            "parts": [CALL, {"type": "tool_call", "id": "c2", "name": "time", "arguments": {}}],
            "finish_reason": "tool_call",
        }
    ]


def test_choices_with_texts_stay_apart() -> None:
    assert completion({"0.content": "a", "1.content": "b"}) == [text("assistant", "a"), text("assistant", "b")]


def test_reasoning_stands_before_the_answer() -> None:
    assert completion({"0.content": "22C", "0.reasoning": "Rome is warm"}) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Rome is warm"}, {"type": "text", "content": "22C"}],
        }
    ]


def test_content_may_be_a_json_list_of_parts() -> None:
    content = (
        '[{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]'
    )

    assert prompt({"0.role": "user", "0.content": content}) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is it?"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
            ],
        }
    ]


def test_content_that_only_looks_like_json_is_what_was_said() -> None:
    for said in ('{"a": 1}', "123", "true", '[{"a": 1}]', '["x"]', "[1, 2]"):
        assert prompt({"0.role": "user", "0.content": said}) == [text("user", said)]


def test_an_empty_json_text_beside_calls_is_no_content() -> None:
    assert completion(
        {
            "0.content": '""',
            "0.tool_calls.0.id": "c1",
            "0.tool_calls.0.name": "weather",
            "0.tool_calls.0.arguments": "{}",
        }
    ) == [{"role": "assistant", "parts": [{**CALL, "arguments": {}}]}]


def test_a_json_copy_of_the_calls_is_dropped() -> None:
    copy = '[{"id": "c1", "name": "weather", "args": {"city": "Rome"}}]'
    group = {"0.content": copy, "0.tool_calls.0.id": "c1", "0.tool_calls.0.name": "weather"}

    assert completion({**group, "0.tool_calls.0.arguments": '{"city":"Rome"}'}) == [
        {"role": "assistant", "parts": [CALL]}
    ]


def test_calls_with_the_role_of_a_tool_are_the_models() -> None:  # Koog
    calls = '[{"id": "c1", "function": {"name": "weather", "arguments": "{\\"city\\":\\"Rome\\"}"}}]'

    assert prompt({"0.role": "tool", "0.content": calls}) == [{"role": "assistant", "parts": [CALL]}]


def test_variants_of_the_keys_of_a_call() -> None:
    nested = {"0.tool_calls.0.id": "c1", "0.tool_calls.0.function.name": "weather"}
    single = {"0.tool_call.id": "c1", "0.tool_call.name": "weather", "0.tool_call.arguments": '{"city":"Rome"}'}

    assert completion({**nested, "0.tool_calls.0.function.arguments": '{"city":"Rome"}'}) == [
        {"role": "assistant", "parts": [CALL]}
    ]
    assert completion(single) == [{"role": "assistant", "parts": [CALL]}]


def test_a_field_nobody_knows_is_kept() -> None:
    assert completion({"0.content": "hi", "0.logprobs": "[]"}) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "hi"},
                {"type": "generic", "original_type": "logprobs", "value": "[]"},
            ],
        }
    ]


def test_tools_on_offer_are_no_messages() -> None:  # LangGraph callbacks
    offer = '{"type": "function", "function": {"name": "weather", "parameters": {}}}'

    assert prompt({"0.role": "tool", "0.content": offer, "1.role": "user", "1.content": "hi"}) == [text("user", "hi")]


def test_openinference_conversation() -> None:
    assert oi_input(
        {
            "0.message.role": "user",
            "0.message.contents.0.message_content.type": "text",
            "0.message.contents.0.message_content.text": "What is it?",
            "0.message.contents.1.message_content.type": "image",
            "0.message.contents.1.message_content.image.image.url": "data:image/png;base64,iVBORw0=",
            "1.message.role": "assistant",
            "1.message.tool_calls.0.tool_call.id": "c1",
            "1.message.tool_calls.0.tool_call.function.name": "weather",
            "1.message.tool_calls.0.tool_call.function.arguments": '{"city":"Rome"}',
            "2.message.role": "tool",
            "2.message.tool_call_id": "c1",
            "2.message.content": "22C",
        }
    ) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is it?"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBORw0="},
            ],
        },
        {"role": "assistant", "parts": [CALL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "22C"}]},
    ]


def test_openinference_contents_beat_content() -> None:
    assert oi_output(
        {
            "0.message.role": "assistant",
            "0.message.content": "22C",
            "0.message.contents.0.message_content.type": "reasoning",
            "0.message.contents.0.message_content.text": "Rome is warm",
            "0.message.contents.0.message_content.signature": "sig",
            "0.message.contents.1.message_content.type": "text",
            "0.message.contents.1.message_content.text": "22C",
        }
    ) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Rome is warm", "signature": "sig"},
                {"type": "text", "content": "22C"},
            ],
        }
    ]


def test_openinference_anthropic_writes_calls_twice() -> None:
    call = {"id": "c1", "function.name": "weather", "function.arguments": '{"city":"Rome"}'}
    group: dict[str, Any] = {"0.message.role": "assistant", "0.message.contents.0.message_content.type": "tool_use"}
    for key, value in call.items():
        group[f"0.message.tool_calls.0.tool_call.{key}"] = value
        group[f"0.message.contents.0.tool_call.{key}"] = value

    assert oi_output(group) == [{"role": "assistant", "parts": [CALL]}]


def test_openinference_legacy_function_call() -> None:
    assert oi_output(
        {"0.message.function_call_name": "weather", "0.message.function_call_arguments_json": '{"city":"Rome"}'}
    ) == [{"role": "assistant", "parts": [{**CALL, "id": None}]}]


def test_openinference_result_in_a_users_message() -> None:  # Bedrock Converse in JS
    assert oi_input({"0.message.role": "user", "0.message.tool_call_id": "c1", "0.message.content": "22C"}) == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "22C"}]}
    ]


def test_openinference_result_on_the_assistants_message() -> None:  # Vercel AI SDK 7, whole agent
    assert oi_output(
        {
            "0.message.role": "assistant",
            "0.message.contents.0.message_content.type": "text",
            "0.message.contents.0.message_content.text": "22C",
            "0.message.tool_calls.0.tool_call.id": "c1",
            "0.message.tool_calls.0.tool_call.function.name": "weather",
            "0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Rome"}',
            "0.message.tool_call_id": "c1",
            "0.message.content": '{"t":22}',
        }
    ) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "22C"}, CALL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": '{"t":22}'}]},
    ]


def test_openinference_vercel_padding_is_dropped_and_typed_output_unwrapped() -> None:
    assert oi_input(
        {
            "0.message.role": "user",
            "0.message.contents.0.message_content.type": "text",
            "0.message.contents.0.message_content.text": "hi",
            "0.message.contents.0.message_content.image": None,
            "0.message.tool_calls.0.tool_call.id": None,
            "0.message.tool_calls.0.tool_call.function.name": None,
            "1.message.role": "tool",
            "1.message.tool_call_id": "c1",
            "1.message.content": '{"type":"json","value":{"t":22}}',
        }
    ) == [
        text("user", "hi"),
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"t": 22}}]},
    ]


def test_openinference_reasoning_and_answer_of_one_response_are_one_message() -> None:  # Responses API in JS
    assert oi_output(
        {
            "0.message.role": "assistant",
            "0.message.contents.0.message_content.type": "reasoning",
            "0.message.contents.0.message_content.text": "thinking",
            "1.message.role": "assistant",
            "1.message.contents.0.message_content.type": "output_text",
            "1.message.contents.0.message_content.text": "22C",
        }
    ) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "thinking"}, {"type": "text", "content": "22C"}],
        }
    ]


def test_openinference_one_message_per_token_is_one_message() -> None:  # BeeAI
    group = {f"{i}.message.content": f"t{i} " for i in range(12)}

    assert oi_output(group) == [text("assistant", "".join(f"t{i} " for i in range(12)))]


def test_openinference_choices_are_no_tokens() -> None:
    assert len(oi_output({f"{i}.message.content": "a boat" for i in range(2)})) == 2


def test_openinference_completions() -> None:
    assert oi_input({"0.prompt.text": "Once"}) == [text("user", "Once")]
    assert oi_output({"0.completion.text": "upon"}) == [text("assistant", "upon")]


def test_openinference_image_that_was_left_out() -> None:
    assert oi_input(
        {
            "0.message.contents.0.message_content.type": "image",
            "0.message.contents.0.message_content.image.type": "base64",
            "0.message.contents.0.message_content.image.media_type": "image/png",
        }
    ) == [
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "omitted": True}],
        }
    ]
