"""LangChain, Vercel AI SDK, Pydantic AI and the smaller frameworks (conventions §3.7, §3.8, §3.14 to §3.16)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger.mapping import messages as m


def read(value: Any, **options: Any) -> list[dict[str, Any]]:
    return m.parse_messages(value, default_role="user", warnings=[], key="k", **options)


def answer(value: Any, **options: Any) -> list[dict[str, Any]]:
    return m.parse_messages(value, default_role="assistant", warnings=[], key="k", **options)


def text(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


def call(id_: str | None = "c1", name: str = "weather", arguments: Any = None) -> dict[str, Any]:
    return {"type": "tool_call", "id": id_, "name": name, "arguments": arguments or {"city": "Rome"}}


def result(id_: str | None = "c1", response: Any = "22C", **fields: Any) -> dict[str, Any]:
    part = {"type": "tool_call_response", "id": id_, **fields}
    is_error = part.pop("is_error", None)
    part["response"] = response
    if is_error:
        part["is_error"] = True
    return {"role": "tool", "parts": [part]}


def lc(class_name: str, **kwargs: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", class_name], "kwargs": kwargs}


LC_CALL = {"name": "weather", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}
OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}


# LangChain


def test_langchain_constructors() -> None:
    assert read(
        {
            "messages": [
                [
                    lc("SystemMessage", content="Be brief"),
                    lc("HumanMessage", content="Weather?", type="human", id="x"),
                    lc("AIMessage", content="", tool_calls=[LC_CALL], additional_kwargs={"tool_calls": [OPENAI_CALL]}),
                    lc("ToolMessage", content="22C", tool_call_id="c1", name="weather", status="success"),
                    lc("RemoveMessage", id="x"),
                ]
            ]
        }
    ) == [
        text("system", "Be brief"),
        text("user", "Weather?"),
        {"role": "assistant", "parts": [call()]},
        result(name="weather"),
    ]


def test_langchain_types() -> None:
    assert read(
        [
            {"type": "human", "data": {"content": "Weather?"}},
            {"type": "ai", "content": "", "additional_kwargs": {"tool_calls": [OPENAI_CALL]}},
            {"type": "tool", "content": "no such city", "tool_call_id": "c1", "status": "error"},
            {"type": "remove", "id": "x"},
        ]
    ) == [
        text("user", "Weather?"),
        {"role": "assistant", "parts": [call()]},
        result(response="no such city", is_error=True),
    ]


@pytest.mark.parametrize("value", [[["human", "hi"]], [[["human", "hi"]]], "[('human', 'hi')]"])
def test_langchain_tuples(value: Any) -> None:
    assert read(value) == [text("user", "hi")]


def test_langchain_generations() -> None:
    generation = {
        "text": "hello",
        "message": lc("AIMessage", content="hello"),
        "generation_info": {"finish_reason": "stop"},
    }

    assert answer({"generations": [[generation]], "llm_output": {"token_usage": {}}}) == [
        text("assistant", "hello", finish_reason="stop")
    ]
    assert answer({"generations": [[{"text": "hello", "generation_info": None}]]}) == [text("assistant", "hello")]


def test_langchain_content_of_anthropic_with_the_same_calls_twice() -> None:
    content = [
        {"type": "text", "text": "ok"},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}},
    ]

    assert answer(
        lc("AIMessage", content=content, tool_calls=[LC_CALL], response_metadata={"stop_reason": "tool_use"})
    ) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "ok"}, call()],
            "finish_reason": "tool_call",
        }
    ]


def test_langchain_invalid_calls_are_kept() -> None:
    invalid = {"name": "weather", "args": "{broken", "id": "c2", "type": "invalid_tool_call"}

    assert answer(lc("AIMessage", content="", tool_calls=[], invalid_tool_calls=[invalid])) == [
        {"role": "assistant", "parts": [call("c2", arguments="{broken")]}
    ]


@pytest.mark.parametrize(
    "value",
    [
        {
            "inputs": {"messages": [{"role": "user", "content": "hi"}]},
            "tags": [],
            "metadata": {},
            "kwargs": {"name": "x"},
        },
        {"output": {"messages": [lc("HumanMessage", content="hi")]}},
        [{"graph": None, "update": {"messages": [{"type": "human", "data": {"content": "hi"}}]}, "goto": []}],
        {"output": [{"lg_name": "Send", "node": "n", "args": {"messages": [lc("HumanMessage", content="hi")]}}]},
        {"args": [{"model": "x", "messages": [{"role": "user", "content": "hi"}]}, None]},
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain_core", "prompt_values", "ChatPromptValue"],
            "kwargs": {"messages": [lc("HumanMessage", content="hi")]},
        },
    ],
    ids=["traceloop", "output", "command", "send", "arguments", "prompt value"],
)
def test_langgraph_wrappers(value: Any) -> None:
    assert read(value, strict=True) == [text("user", "hi")]
    assert answer(json.dumps(value), strict=True) == [text("user", "hi")]


def test_langfuse_writes_the_tool_as_role() -> None:
    assert read(
        [
            {"role": "assistant", "content": "", "tool_calls": [OPENAI_CALL]},
            {"role": "weather", "content": "22C", "additional_kwargs": {}},
        ]
    ) == [{"role": "assistant", "parts": [call()]}, result(name="weather")]


def test_printed_langchain_messages() -> None:
    printed = (
        "content='' additional_kwargs={'refusal': None} response_metadata={'finish_reason': 'tool_calls'} id='x' "
        "tool_calls=[{'name': 'weather', 'args': {'city': 'Rome'}, 'id': 'c1', 'type': 'tool_call'}]"
    )
    human = "content='It\\'s hi' additional_kwargs={} response_metadata={}"

    assert read({"messages": [human, printed]}) == [text("user", "It's hi"), {"role": "assistant", "parts": [call()]}]
    assert read("[HumanMessage(content='x'), AIMessage(content='y')]") == [text("user", "x"), text("assistant", "y")]


# Vercel AI SDK


def test_vercel_prompts() -> None:
    assert m.vercel_prompt('{"system":"Be brief","prompt":"hi"}', warnings=[], key="ai.prompt") == [
        text("system", "Be brief"),
        text("user", "hi"),
    ]
    assert m.vercel_prompt('{"messages":[{"role":"user","content":"hi"}]}', warnings=[], key="ai.prompt") == [
        text("user", "hi")
    ]
    assert m.vercel_prompt('{"prompt":"{\\"a\\":1}"}', warnings=[], key="ai.prompt") == [text("user", '{"a":1}')]


@pytest.mark.parametrize("old", [True, False])
def test_vercel_messages(old: bool) -> None:
    arguments, output = ("args", "result") if old else ("input", "output")
    value: Any = {"t": 22} if old else {"type": "json", "value": {"t": 22}}
    messages = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "reasoning", "text": "warm"},
                {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", arguments: {"city": "Rome"}},
            ],
        },
        {
            "role": "tool",
            "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "weather", output: value}],
        },
    ]

    assert m.vercel_prompt(json.dumps(messages), warnings=[], key="ai.prompt.messages") == [
        text("system", "Be brief"),
        text("user", "hi"),
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "warm"}, call()]},
        result(response={"t": 22}, name="weather"),
    ]


@pytest.mark.parametrize(
    ("output", "response", "is_error"),
    [
        ({"type": "text", "value": "22C"}, "22C", False),
        ({"type": "error-text", "value": "no"}, "no", True),
        ({"type": "error-json", "value": {"code": 1}}, {"code": 1}, True),
        ({"type": "content", "value": [{"type": "text", "text": "22C"}]}, "22C", False),
    ],
)
def test_vercel_results(output: Any, response: Any, is_error: bool) -> None:
    content = [{"type": "tool-result", "toolCallId": "c1", "toolName": "weather", "output": output}]

    assert read([{"role": "tool", "content": content}]) == [
        result(response=response, name="weather", is_error=is_error)
    ]


@pytest.mark.parametrize(
    "image",
    [
        {"type": "file", "mediaType": "image/png", "data": "iVBO"},
        {"type": "image", "image": "data:image/png;base64,iVBO", "mimeType": "image/png"},
        {"type": "image", "image": {"type": "Buffer", "data": [137, 80, 78]}, "mediaType": "image/png"},
        {"type": "image", "image": {"0": 137, "1": 80, "2": 78}, "mediaType": "image/png"},
    ],
    ids=["file", "data url", "buffer", "index map"],
)
def test_vercel_images(image: dict[str, Any]) -> None:
    assert read([{"role": "user", "content": [image]}])[0]["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"}
    ]


def test_vercel_response() -> None:
    calls = '[{"toolCallId":"c1","toolName":"weather","input":"{\\"city\\":\\"Rome\\"}"}]'
    files = '[{"type":"file","mediaType":"image/png","data":"iVBO"}]'

    assert m.vercel_response("22C", "warm", calls, None, files, warnings=[]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "warm"},
                {"type": "text", "content": "22C"},
                call(),
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
            ],
        }
    ]
    assert m.vercel_response(None, None, None, None, None, warnings=[]) == []


def test_vercel_calls_of_version_3() -> None:
    calls = '[{"toolCallType":"function","toolCallId":"c1","toolName":"weather","args":"{\\"city\\":\\"Rome\\"}"}]'

    assert m.vercel_response(None, None, calls, None, None, warnings=[]) == [{"role": "assistant", "parts": [call()]}]


def test_a_generated_object_is_said_once() -> None:
    made = '{"city":"Rome"}'

    assert m.vercel_response(None, None, None, made, None, warnings=[]) == [text("assistant", made)]
    assert m.vercel_response('{"city": "Rome"}', None, None, made, None, warnings=[]) == [
        text("assistant", '{"city": "Rome"}')
    ]


def test_results_of_mastra() -> None:
    step = {"text": "", "toolCalls": [{"toolCallId": "c1", "toolName": "weather", "args": {"city": "Rome"}}]}
    generation = {"files": [], "reasoning": [], "sources": [], "text": "22C", "warnings": []}

    assert answer(json.dumps(step)) == [{"role": "assistant", "parts": [call()]}]
    assert answer(json.dumps(generation)) == [text("assistant", "22C")]


def test_calls_alone() -> None:  # LangSmith, for the Vercel AI SDK
    calls = [{"toolCallId": "c1", "toolName": "weather", "input": '{"city":"Rome"}'}]

    assert answer(json.dumps(calls)) == [{"role": "assistant", "parts": [call()]}]


# Pydantic AI and Logfire


def test_pydantic_events() -> None:
    events = [
        {"event.name": "gen_ai.system.message", "role": "system", "content": "Be brief"},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Weather?", "gen_ai.message.index": 0},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [OPENAI_CALL]},
        {"event.name": "gen_ai.tool.message", "role": "tool", "id": "c1", "name": "weather", "content": "22C"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "It is 22C"}},
    ]

    assert m.pydantic_events(json.dumps(events), warnings=[], key="events") == (
        [
            text("system", "Be brief"),
            text("user", "Weather?"),
            {"role": "assistant", "parts": [call()]},
            result(name="weather"),
        ],
        [text("assistant", "It is 22C")],
    )


def test_pydantic_events_without_a_choice() -> None:  # all_messages_events; Logfire for the Responses API
    second = {**OPENAI_CALL, "id": "c2"}
    events = [
        {"event.name": "gen_ai.user.message", "content": "Weather?"},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [OPENAI_CALL]},
        {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [second]},
    ]

    assert m.pydantic_events(events, warnings=[], key="events") == (
        [text("user", "Weather?")],
        [{"role": "assistant", "parts": [call(), call("c2")]}],
    )


@pytest.mark.parametrize("value", ["[]", "", None, "{}", "nonsense"])
def test_no_pydantic_events(value: Any) -> None:
    assert m.pydantic_events(value, warnings=[], key="events") == ([], [])


def test_pydantic_content_of_version_1() -> None:
    content = [{"kind": "text", "text": "?"}, {"kind": "image-url", "url": "https://x/y.png"}, {"kind": "text"}]
    events = [{"event.name": "gen_ai.user.message", "content": content}]

    assert m.pydantic_events(events, warnings=[], key="events")[0] == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "?"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
                {"type": "text", "content": None, "redacted": True},
            ],
        }
    ]


def test_logfire_items_without_an_event() -> None:
    item = {"event.name": "gen_ai.unknown", "role": "user", "content": "x"}

    assert m.pydantic_events([item], warnings=[], key="events")[0] == [
        {"role": "user", "parts": [{"type": "generic", "original_type": "gen_ai.unknown", "value": item}]}
    ]


# the others


def test_genkit() -> None:
    assert read(
        {
            "messages": [
                {"role": "user", "content": [{"text": "hi"}, {"media": {"url": "data:image/png;base64,iVBO"}}]},
                {
                    "role": "model",
                    "content": [{"toolRequest": {"ref": "c1", "name": "weather", "input": {"city": "Rome"}}}],
                },
                {"role": "tool", "content": [{"toolResponse": {"ref": "c1", "name": "weather", "output": "22C"}}]},
            ],
            "config": {},
        }
    ) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "hi"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
            ],
        },
        {"role": "assistant", "parts": [call()]},
        result(name="weather"),
    ]
    assert answer(
        {
            "message": {"role": "model", "content": [{"reasoning": "warm"}, {"text": "22C"}, {"data": 1}]},
            "finishReason": "stop",
        }
    ) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "warm"},
                {"type": "text", "content": "22C"},
                {"type": "generic", "original_type": "data", "value": 1},
            ],
            "finish_reason": "stop",
        }
    ]


def test_livekit() -> None:
    handoff = {"type": "agent_handoff", "new_agent_id": "a"}

    assert read(
        {
            "items": [
                {"type": "message", "role": "user", "content": ["hi"]},
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
                {"type": "function_call_output", "call_id": "c1", "name": "weather", "output": "no", "is_error": True},
                handoff,
            ]
        }
    ) == [
        text("user", "hi"),
        {"role": "assistant", "parts": [call()]},
        result(response="no", name="weather", is_error=True),
        {"role": "assistant", "parts": [{"type": "generic", "original_type": "agent_handoff", "value": handoff}]},
    ]


@pytest.mark.parametrize("prefix", ["", "_"])
def test_haystack(prefix: str) -> None:
    def message(role: str, content: Any) -> dict[str, Any]:
        return {f"{prefix}role": role, f"{prefix}content": content, f"{prefix}meta": {}, f"{prefix}name": None}

    tool = {"tool_name": "weather", "arguments": {"city": "Rome"}, "id": "c1"}

    assert read(
        [
            message("user", [{"text": "hi"}]),
            message("assistant", [{"tool_call": tool}]),
            message("tool", [{"tool_call_result": {"result": "22C", "origin": tool, "error": False}}]),
        ]
    ) == [text("user", "hi"), {"role": "assistant", "parts": [call()]}, result(name="weather")]


def test_printed_haystack_messages() -> None:
    tool = "ToolCall(tool_name='weather', arguments={'city': 'Rome'}, id='c1', extra=None)"
    messages = [
        "ChatMessage(_role=<ChatRole.USER: 'user'>, _content=[TextContent(text='hi')], _name=None, _meta={})",
        f"ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[{tool}], _name=None, _meta={{}})",
        "ChatMessage(_role=<ChatRole.TOOL: 'tool'>, "
        f"_content=[ToolCallResult(result='22C', origin={tool}, error=False)], _name=None, _meta={{}})",
    ]
    reply = (
        "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text='22C')], "
        "_name=None, _meta={'finish_reason': 'stop'})"
    )

    assert read({"messages": messages, "tools": None}) == [
        text("user", "hi"),
        {"role": "assistant", "parts": [call()]},
        result(name="weather"),
    ]
    assert answer({"replies": [reply]}) == [text("assistant", "22C", finish_reason="stop")]


def test_printed_llamaindex_messages() -> None:
    blocks = (
        "[ToolCallBlock(block_type='tool_call', tool_call_id='c1', tool_name='weather', tool_kwargs={'city': 'Rome'})]"
    )
    messages = [
        "ChatMessage(role=<MessageRole.USER: 'user'>, additional_kwargs={}, "
        "blocks=[TextBlock(block_type='text', text='hi')])",
        f"ChatMessage(role=<MessageRole.ASSISTANT: 'assistant'>, additional_kwargs={{}}, blocks={blocks})",
        "ChatMessage(role=<MessageRole.TOOL: 'tool'>, additional_kwargs={'tool_call_id': 'c1'}, "
        "blocks=[TextBlock(block_type='text', text='22C')])",
    ]

    assert read({"messages": messages}) == [text("user", "hi"), {"role": "assistant", "parts": [call()]}, result()]


def test_autogen() -> None:
    assert read(
        [
            {"source": "user", "content": "hi", "type": "UserMessage"},
            {
                "source": "agent",
                "content": [{"id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'}],
                "type": "AssistantMessage",
            },
            {
                "content": [{"call_id": "c1", "name": "weather", "content": "22C", "is_error": False}],
                "type": "FunctionExecutionResultMessage",
            },
        ]
    ) == [text("user", "hi"), {"role": "assistant", "parts": [call()]}, result(name="weather")]


def test_openlit_text_prompt() -> None:
    assert read("user: hi\nassistant: hello\nto you\nuser: more\nassistant: None\ntool: 22C") == [
        text("user", "hi"),
        text("assistant", "hello\nto you"),
        text("user", "more"),
        {"role": "assistant", "parts": []},
        result(None),
    ]


def test_text_without_role_lines_is_one_message() -> None:
    assert read("The user: a person") == [text("user", "The user: a person")]
    assert answer("user: hi") == [text("assistant", "user: hi")]


@pytest.mark.parametrize(
    "absent", ["", " ", "None", "null", "{}", "[]", "[[]]", "N/A", "NOT_FOUND", "<not specified>", None, [], {}]
)
def test_placeholders_are_absent(absent: Any) -> None:
    assert read(absent) == []
    assert answer(absent) == []


@pytest.mark.parametrize("key", ["query", "input", "question", "prompt"])
def test_an_object_with_one_text(key: str) -> None:
    assert read(json.dumps({key: "Where is Rome?"})) == [text("user", "Where is Rome?")]
    assert read(f"{{'{key}': 'Where is Rome?'}}") == [text("user", "Where is Rome?")]
    assert read(json.dumps({key: "Where is Rome?"}), strict=True) == []


@pytest.mark.parametrize(
    "said", ['{"city":"Rome","t":22}', '{"a":1}', "123", "true", '["a", 1]', "[1] is a footnote", "{x}"]
)
def test_json_that_is_no_message_is_text(said: str) -> None:
    assert answer(said) == [text("assistant", said)]
    assert answer(said, strict=True) == []


def test_structured_values_that_are_no_messages_are_text() -> None:
    assert answer({"city": "Rome"}) == [text("assistant", '{"city":"Rome"}')]
    assert answer({"city": "Rome"}, strict=True) == []
    assert answer(22) == [text("assistant", "22")]


def test_texts_in_a_list_are_one_message() -> None:
    assert read(["a", "b"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "a"}, {"type": "text", "content": "b"}]}
    ]


def test_ids_and_models_alone_are_no_output() -> None:  # Phoenix
    assert answer('{"id": "chatcmpl-1", "model": "gpt-4o"}') == []


def test_agents_with_a_role_are_no_messages() -> None:  # CrewAI
    assert read({"role": "Geographer", "goal": "Find capitals", "backstory": "…"}, strict=True) == []


def test_a_json_copy_of_openinferences_keys() -> None:
    assert read([{"message.role": "user", "message.content": "hi"}]) == [text("user", "hi")]
    contents = [{"message_content": {"type": "text", "text": "hi"}}]
    assert read([{"message": {"role": "user", "contents": contents}}]) == [text("user", "hi")]


@pytest.mark.parametrize(
    "value",
    [
        "Be brief",
        '"Be brief"',
        ["Be brief"],
        '["Be brief"]',
        [{"type": "text", "content": "Be brief"}],
        '[{"type":"text","text":"Be brief","cache_control":{}}]',
        [{"text": "Be brief"}],
        {"role": "system", "parts": [{"text": "Be brief"}]},
        [{"role": "system", "content": "Be brief"}],
        [{"role": "system", "parts": [{"type": "text", "content": "Be brief"}]}],
    ],
)
def test_system_instructions(value: Any) -> None:
    assert m.parse_instructions(value, warnings=[], key="gen_ai.system_instructions") == [text("system", "Be brief")]


@pytest.mark.parametrize("value", ["", None, [], {}, "[]"])
def test_no_system_instructions(value: Any) -> None:
    assert m.parse_instructions(value, warnings=[], key="gen_ai.system_instructions") == []
