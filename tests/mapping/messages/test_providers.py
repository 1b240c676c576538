"""Requests and responses of the providers (conventions §3.9 to §3.13, §3.15)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger.mapping import messages as m


def request(body: Any) -> list[dict[str, Any]]:
    found = m.request_messages(json.dumps(body), warnings=[], key="request")
    assert m.request_messages(body, warnings=[], key="request") == found
    return found


def response(body: Any) -> list[dict[str, Any]]:
    found = m.response_messages(json.dumps(body), warnings=[], key="response")
    assert m.response_messages(body, warnings=[], key="response") == found
    return found


def text(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


def call(id_: str | None, name: str = "weather", arguments: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": id_,
        "name": name,
        "arguments": {"city": "Rome"} if arguments is None else arguments,
        **fields,
    }


def result(id_: str | None, response: Any = "22C", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id_, "response": response, **fields}]}


def named_result(id_: str | None, name: str, response: Any = "22C") -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id_, "name": name, "response": response}]}


# OpenAI chat completions


def test_openai_request() -> None:
    assert request(
        {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "?"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "refusal": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "22C"},
            ],
            "temperature": 0.2,
        }
    ) == [
        text("system", "Be brief"),
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "?"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
            ],
        },
        {"role": "assistant", "parts": [call("c1")]},
        result("c1"),
    ]


def test_openai_response() -> None:
    choice = {
        "index": 0,
        "finish_reason": "tool_calls",
        "message": {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
    }

    assert response({"id": "x", "object": "chat.completion", "choices": [choice]}) == [
        {"role": "assistant", "parts": [call("c1", arguments={})], "finish_reason": "tool_call"}
    ]


def test_every_choice_is_a_message() -> None:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": c}, "finish_reason": "stop"}
        for i, c in enumerate("ab")
    ]

    assert response({"choices": choices}) == [
        text("assistant", "a", finish_reason="stop"),
        text("assistant", "b", finish_reason="stop"),
    ]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": "", "refusal": "I can't."}, [{"type": "refusal", "content": "I can't."}]),
        ({"content": None, "function_call": {"name": "weather", "arguments": '{"city":"Rome"}'}}, [call(None)]),
        (
            {"content": "22C", "reasoning_content": "warm"},
            [{"type": "reasoning", "content": "warm"}, {"type": "text", "content": "22C"}],
        ),
        (
            {"content": "22C", "reasoning": "warm"},
            [{"type": "reasoning", "content": "warm"}, {"type": "text", "content": "22C"}],
        ),
        (
            {"content": "22C", "reasoning_details": [{"type": "reasoning.text", "text": "warm", "signature": "s"}]},
            [{"type": "reasoning", "content": "warm", "signature": "s"}, {"type": "text", "content": "22C"}],
        ),
        (
            {"content": None, "audio": {"id": "a1", "data": "UklG", "transcript": "22 degrees"}},
            [
                {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "UklG"},
                {"type": "text", "content": "22 degrees"},
            ],
        ),
        (
            {"content": "22C", "annotations": [{"type": "url_citation", "url": "https://x"}]},
            [
                {"type": "text", "content": "22C"},
                {
                    "type": "generic",
                    "original_type": "annotations",
                    "value": [{"type": "url_citation", "url": "https://x"}],
                },
            ],
        ),
        (
            {
                "content": None,
                "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}],
            },
            [call("c1", "sql", "select 1")],
        ),
        (
            {
                "content": "",
                "toolCalls": [{"id": "c1", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}],
            },
            [call("c1")],
        ),
    ],
    ids=[
        "refusal",
        "legacy call",
        "deepseek",
        "vllm",
        "openrouter",
        "audio",
        "annotations",
        "custom tool",
        "camel case",
    ],
)
def test_fields_of_an_openai_answer(message: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    assert response({"choices": [{"message": {"role": "assistant", **message}}]}) == [
        {"role": "assistant", "parts": parts}
    ]


def test_streamed_choices_that_were_put_together() -> None:  # gateway logs
    assert response({"choices": [{"delta": {"role": "assistant", "content": "22C"}, "finish_reason": "stop"}]}) == [
        text("assistant", "22C", finish_reason="stop")
    ]


def test_openai_media() -> None:
    content = [
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
        {"type": "input_image", "image_url": "https://x/y.png"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
    ]

    assert request({"messages": [{"role": "user", "content": content}]})[0]["parts"] == [
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "UklG"},
        {"type": "file", "file_id": "file-1"},
        {
            "type": "blob",
            "modality": "document",
            "mime_type": "application/pdf",
            "content": "JVBE",
            "filename": "a.pdf",
        },
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "uri", "modality": "document", "uri": "https://x/a.pdf"},
    ]


def test_openai_assistants_text_objects() -> None:
    content = [{"type": "text", "text": {"value": "hi", "annotations": []}}]

    assert request({"messages": [{"role": "user", "content": content}]}) == [text("user", "hi")]


def test_openai_completions() -> None:
    assert request({"model": "davinci", "prompt": "Once"}) == [text("user", "Once")]
    assert response({"choices": [{"text": "upon", "index": 0, "finish_reason": "length"}]}) == [
        text("assistant", "upon", finish_reason="length")
    ]


# OpenAI Responses


def test_responses_request() -> None:
    assert request(
        {
            "instructions": "Be brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "weather",
                    "arguments": '{"city":"Rome"}',
                    "id": "fc1",
                },
                {"type": "function_call_output", "call_id": "c1", "output": "22C"},
            ],
        }
    ) == [text("system", "Be brief"), text("user", "hi"), {"role": "assistant", "parts": [call("c1")]}, result("c1")]


def test_responses_input_may_be_text() -> None:
    assert request({"model": "gpt", "input": "hi"}) == [text("user", "hi")]


def test_responses_items_of_one_response_are_one_message() -> None:
    assert response(
        {
            "object": "response",
            "instructions": "Be brief",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "warm"}], "encrypted_content": "xx"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "22C"}]},
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
                {"type": "function_call", "call_id": "c2", "name": "time", "arguments": "{}"},
            ],
        }
    ) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "warm"},
                {"type": "text", "content": "22C"},
                call("c1"),
                call("c2", "time", {}),
            ],
        }
    ]


def test_responses_of_two_turns_stay_apart() -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "22C"}]}

    assert request({"input": [message, {"role": "user", "content": "And?"}, message]}) == [
        text("assistant", "22C"),
        text("user", "And?"),
        text("assistant", "22C"),
    ]


def test_encrypted_reasoning_leaves_a_mark() -> None:
    assert response({"output": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]}) == [
        {"role": "assistant", "parts": [{"type": "reasoning", "content": None, "redacted": True}]}
    ]


def test_hosted_tools_of_the_responses_api() -> None:
    assert response(
        {
            "output": [
                {"type": "web_search_call", "id": "ws1", "status": "completed", "action": {"query": "rome"}},
                {
                    "type": "code_interpreter_call",
                    "id": "ci1",
                    "code": "1+1",
                    "outputs": [{"type": "logs", "logs": "2"}],
                },
                {"type": "mcp_call", "id": "m1", "name": "fetch", "arguments": '{"u":1}', "output": "ok"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]},
            ]
        }
    ) == [
        {
            "role": "assistant",
            "parts": [call("ws1", "web_search", {"query": "rome"}, server=True)],
        },
        {"role": "assistant", "parts": [call("ci1", "code_interpreter", {"code": "1+1"}, server=True)]},
        named_result("ci1", "code_interpreter", [{"type": "logs", "logs": "2"}]),
        {"role": "assistant", "parts": [call("m1", "fetch", {"u": 1}, server=True)]},
        named_result("m1", "fetch", "ok"),
        text("assistant", "done"),
    ]


def test_items_that_are_no_messages_are_kept() -> None:
    item = {"type": "item_reference", "id": "msg_1"}

    assert request({"input": [item, {"role": "user", "content": "hi"}]}) == [
        {"role": "assistant", "parts": [{"type": "generic", "original_type": "item_reference", "value": item}]},
        text("user", "hi"),
    ]


def test_an_incomplete_response_says_why() -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "22"}]}

    assert response(
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [message]}
    ) == [text("assistant", "22", finish_reason="length")]


# Anthropic


def test_anthropic_request() -> None:
    assert request(
        {
            "system": [{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "warm", "signature": "sig"},
                        {"type": "redacted_thinking", "data": "xx"},
                        {"type": "text", "text": "ok"},
                        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "And Oslo?"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "t1",
                            "content": [{"type": "text", "text": "22C"}],
                            "is_error": False,
                        },
                        {"type": "tool_result", "tool_use_id": "t2", "content": "no such city", "is_error": True},
                    ],
                },
            ],
        }
    ) == [
        text("system", "Be brief"),
        text("user", "Weather?"),
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "warm", "signature": "sig"},
                {"type": "reasoning", "content": None, "redacted": True},
                {"type": "text", "content": "ok"},
                call("t1"),
            ],
        },
        result("t1"),
        result("t2", "no such city", is_error=True),
        text("user", "And Oslo?"),
    ]


def test_anthropic_response() -> None:
    assert response(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "22C", "citations": None}],
            "stop_reason": "end_turn",
        }
    ) == [text("assistant", "22C", finish_reason="stop")]


def test_anthropic_hosted_tools() -> None:
    hits = [{"type": "web_search_result", "url": "https://x"}]

    assert response(
        {
            "role": "assistant",
            "stop_reason": "end_turn",
            "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": hits},
                {"type": "text", "text": "22C"},
            ],
        }
    ) == [
        {"role": "assistant", "parts": [call("s1", "web_search", {"query": "q"}, server=True)]},
        named_result("s1", "web_search", hits),
        text("assistant", "22C", finish_reason="stop"),
    ]


def test_anthropic_media() -> None:
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": {"type": "file", "file_id": "f1"}, "title": "A"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "container_upload", "file_id": "f2"},
        {"type": "anthropic_image"},
    ]

    assert request({"messages": [{"role": "user", "content": content}]})[0]["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "file", "file_id": "f1", "modality": "document"},
        {"type": "text", "content": "words"},
        {
            "type": "generic",
            "original_type": "container_upload",
            "value": {"type": "container_upload", "file_id": "f2"},
        },
        {"type": "blob", "modality": "image", "mime_type": None, "omitted": True},
    ]


# Gemini


def gemini_conversation(snake: bool) -> dict[str, Any]:
    call_key, answer_key = ("function_call", "function_response") if snake else ("functionCall", "functionResponse")
    names = [{"name": "weather", "args": {"city": city}} for city in ("Rome", "Oslo")]
    answers = [{"name": "weather", "response": {"t": t}} for t in (22, 8)]
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{call_key: names[0], "thoughtSignature": "s"}, {call_key: names[1]}]},
            {"role": "user", "parts": [{answer_key: answers[0]}]},
            {"role": "user", "parts": [{answer_key: answers[1]}]},
        ],
        "system_instruction" if snake else "systemInstruction": {"parts": [{"text": "Be brief"}]},
    }


@pytest.mark.parametrize("snake", [False, True])
def test_gemini_request(snake: bool) -> None:
    assert request(gemini_conversation(snake)) == [
        text("system", "Be brief"),
        text("user", "hi"),
        {"role": "assistant", "parts": [call("weather_0"), call("weather_1", arguments={"city": "Oslo"})]},
        named_result("weather_0", "weather", {"t": 22}),
        named_result("weather_1", "weather", {"t": 8}),
    ]


def test_gemini_response() -> None:
    parts = [{"text": "warm", "thought": True}, {"text": "22C"}]

    assert response({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "warm"}, {"type": "text", "content": "22C"}],
            "finish_reason": "stop",
        }
    ]


def test_gemini_chunks_are_one_answer() -> None:  # Gemini CLI
    def chunk(words: str, **fields: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": words}]}, **fields}]}

    assert response([chunk("22 "), chunk("degrees", finishReason="STOP")]) == [
        text("assistant", "22 degrees", finish_reason="stop")
    ]


@pytest.mark.parametrize("contents", ["hi", ["hi"], {"parts": [{"text": "hi"}]}, [{"parts": [{"text": "hi"}]}]])
def test_gemini_contents_in_short(contents: Any) -> None:
    assert request({"model": "gemini", "contents": contents}) == [text("user", "hi")]


def test_gemini_media_and_code() -> None:
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"file_data": {"mime_type": "video/mp4", "file_uri": "gs://b/o"}},
        {"inline_data": {"mime_type": "image/png", "data": "b'\\x89PNG'"}},
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    ]

    assert request({"contents": [{"role": "model", "parts": parts}]}) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
                {"type": "uri", "modality": "video", "mime_type": "video/mp4", "uri": "gs://b/o"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "omitted": True},
                call(None, "code_execution", {"language": "PYTHON", "code": "1+1"}, server=True),
            ],
        },
        named_result(None, "code_execution", {"outcome": "OUTCOME_OK", "output": "2"}),
    ]


def test_adk_request_and_response() -> None:
    body = {
        "model": "gemini",
        "config": {"system_instruction": "Be brief", "tools": [{"function_declarations": []}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    }

    assert request(body) == [text("system", "Be brief"), text("user", "hi")]
    assert response({"content": {"parts": [{"text": "22C"}], "role": "model"}, "finish_reason": "STOP"}) == [
        text("assistant", "22C", finish_reason="stop")
    ]
    assert request({}) == []


# Bedrock Converse


def test_bedrock_request() -> None:
    assert request(
        {
            "system": [{"text": "Be brief"}, {"cachePoint": {"type": "default"}}],
            "messages": [
                {"role": "user", "content": [{"text": "hi"}, {"guardContent": {"text": {"text": "guarded"}}}]},
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "warm", "signature": "sig"}}},
                        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome"}}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"json": {"t": 22}}]}},
                        {"toolResult": {"toolUseId": "t2", "status": "error", "content": [{"text": "no"}]}},
                        {"toolResult": {"toolUseId": "t3", "content": [{"text": "a"}, {"json": {"b": 1}}]}},
                    ],
                },
            ],
        }
    ) == [
        text("system", "Be brief"),
        {"role": "user", "parts": [{"type": "text", "content": "hi"}, {"type": "text", "content": "guarded"}]},
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "warm", "signature": "sig"}, call("t1")],
        },
        result("t1", {"t": 22}),
        result("t2", "no", is_error=True),
        result(
            "t3",
            [{"type": "text", "content": "a"}, {"type": "generic", "original_type": "json", "value": {"b": 1}}],
        ),
    ]


def test_bedrock_response() -> None:
    message = {"role": "assistant", "content": [{"text": "22C"}]}

    assert response({"output": {"message": message}, "stopReason": "max_tokens", "usage": {}}) == [
        text("assistant", "22C", finish_reason="length")
    ]


def test_bedrock_media() -> None:
    content = [
        {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
        {"document": {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://b/a.pdf"}}}},
        {"video": {"format": "mp4", "source": {"bytes": "<replaced>"}}},
    ]

    assert request({"messages": [{"role": "user", "content": content}]})[0]["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
        {
            "type": "uri",
            "modality": "document",
            "mime_type": "application/pdf",
            "uri": "s3://b/a.pdf",
            "filename": "a",
        },
        {"type": "blob", "modality": "video", "mime_type": "video/mp4", "omitted": True},
    ]


def test_other_bodies_of_invoke_model() -> None:
    assert request({"inputText": "hi"}) == [text("user", "hi")]
    assert response({"results": [{"outputText": "22C", "completionReason": "FINISH"}]}) == [text("assistant", "22C")]
    assert response({"generation": "22C", "stop_reason": "stop"}) == [text("assistant", "22C", finish_reason="stop")]
    assert response({"outputs": [{"text": "22C", "stop_reason": "length"}]}) == [
        text("assistant", "22C", finish_reason="length")
    ]


# Cohere, Ollama, OpenRouter, images


def test_cohere_v1() -> None:
    assert request(
        {
            "preamble": "Be brief",
            "chat_history": [{"role": "USER", "message": "hi"}, {"role": "CHATBOT", "message": "hello"}],
            "message": "Weather?",
        }
    ) == [text("system", "Be brief"), text("user", "hi"), text("assistant", "hello"), text("user", "Weather?")]
    assert response(
        {
            "text": "22C",
            "tool_calls": [{"name": "weather", "parameters": {"city": "Rome"}}],
            "finish_reason": "COMPLETE",
        }
    ) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "22C"}, call(None)],
            "finish_reason": "stop",
        }
    ]


def test_cohere_v2() -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "22C"}], "tool_plan": "look it up"}

    assert response({"message": message, "finish_reason": "COMPLETE"}) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "look it up"}, {"type": "text", "content": "22C"}],
            "finish_reason": "stop",
        }
    ]


def test_ollama() -> None:
    assert request({"model": "llava", "messages": [{"role": "user", "content": "?", "images": ["iVBO"]}]}) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "?"},
                {"type": "blob", "modality": "image", "mime_type": None, "content": "iVBO"},
            ],
        }
    ]
    assert response({"message": {"role": "assistant", "content": "22C"}, "done": True, "done_reason": "stop"}) == [
        text("assistant", "22C", finish_reason="stop")
    ]


def test_openrouter_broadcast() -> None:
    assert response({"completion": "22C", "reasoning": "warm", "toolCalls": None}) == [
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "warm"}, {"type": "text", "content": "22C"}]}
    ]
    assert response({"rawRequest": {"model": "x"}}) == []


def test_generated_images() -> None:  # Logfire
    assert response({"images": [{"url": "https://x/y.png"}, {"b64_json": "iVBO"}]}) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://x/y.png"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
            ],
        }
    ]


@pytest.mark.parametrize("body", [{"model": "gpt", "stream": False}, {"id": "x", "model": "gpt"}, [], {}, None, "x", 7])
def test_bodies_without_messages(body: Any) -> None:
    assert request(body) == []
    assert response(body) == []


def test_a_body_that_was_cut() -> None:
    warnings: list[str] = []
    body = '{"model":"gpt","messages":[{"role":"user","content":"Weather in Ro'

    assert m.request_messages(body, warnings=warnings, key="input.value") == [text("user", "Weather in Ro")]
    assert warnings == ["truncated_json:input.value"]
