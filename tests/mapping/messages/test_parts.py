"""OpenTelemetry's parts and their deviations, media, redaction (conventions §2.35, §3.4)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from spanledger.mapping import messages as m

PNG = "iVBORw0KGgo="


def read(value: Any) -> list[dict[str, Any]]:
    return m.parse_messages(value, default_role="user", warnings=[], key="gen_ai.input.messages")


def answer(value: Any) -> list[dict[str, Any]]:
    return m.parse_messages(value, default_role="assistant", warnings=[], key="gen_ai.output.messages")


def parts_of(*parts: Any) -> list[dict[str, Any]]:
    """The normal form of parts in one user's message."""
    messages = read([{"role": "user", "parts": list(parts)}])
    assert [message["role"] for message in messages] == ["user"]
    found: list[dict[str, Any]] = messages[0]["parts"]
    return found


def text(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


CONVERSATION = [
    text("user", "Weather in Rome?"),
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Rome"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "22C"}]},
]


@pytest.mark.parametrize(
    "value",
    [
        CONVERSATION,
        json.dumps(CONVERSATION),
        json.dumps(CONVERSATION, indent=2),
        json.dumps(CONVERSATION).encode(),
        json.dumps(json.dumps(CONVERSATION)),
        json.dumps(json.dumps(json.dumps(CONVERSATION))),
    ],
    ids=["structured", "json", "pretty", "bytes", "json in json", "three layers"],
)
def test_the_normal_form_is_read_from_every_encoding(value: Any) -> None:
    assert read(value) == CONVERSATION


def test_finish_reasons_stand_on_answers_only() -> None:
    message = text("assistant", "22C", finish_reason="stop")

    assert answer([message]) == [message]
    assert read([message]) == [text("assistant", "22C")]


def test_null_finish_reasons_and_names_are_dropped() -> None:
    assert answer([{**text("assistant", "22C"), "finish_reason": None, "name": None}]) == [text("assistant", "22C")]


def test_the_name_of_an_author_is_kept() -> None:
    assert read([text("user", "hi", name="ann")]) == [text("user", "hi", name="ann")]


def test_content_instead_of_parts() -> None:
    assert read([{"role": "user", "content": "hi"}]) == [text("user", "hi")]


def test_calls_beside_parts() -> None:  # LiteLLM
    calls = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]
    message = {"role": "assistant", "parts": [{"type": "text", "content": "Wait"}], "tool_calls": calls}

    assert read([message]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Wait"}, CONVERSATION[1]["parts"][0]]}
    ]


def test_a_call_id_beside_parts_makes_it_a_result() -> None:  # LiteLLM
    assert read([{"role": "tool", "parts": [{"type": "text", "content": "22C"}], "tool_call_id": "c1"}]) == [
        CONVERSATION[2]
    ]


def test_openais_parts_inside_parts() -> None:  # LiteLLM
    assert parts_of({"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}) == [
        {"type": "text", "content": "hi"},
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
    ]


@pytest.mark.parametrize("key", ["response", "result", "content"])
def test_aliases_of_a_response(key: str) -> None:
    assert read([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", key: "22C"}]}]) == [
        CONVERSATION[2]
    ]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"city": "Rome"}, {"city": "Rome"}),
        ('{"city": "Rome"}', {"city": "Rome"}),
        ('"{\\"city\\": \\"Rome\\"}"', {"city": "Rome"}),
        ("{'city': 'Rome'}", {"city": "Rome"}),
        ("", {}),
        ("{}", {}),
        ('{"city": "Ro', '{"city": "Ro'),
        ("Rome", "Rome"),
        (None, None),
    ],
)
def test_arguments(sent: Any, kept: Any) -> None:
    part = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": sent}

    assert parts_of(part) == [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": kept}]


def test_a_response_encoded_twice_is_unwrapped() -> None:  # Microsoft Agent Framework
    assert read([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": '"22C"'}]}]) == [
        CONVERSATION[2]
    ]


def test_a_response_of_one_text_block_is_its_text() -> None:  # Strands, Anthropic's own spans
    for block in ({"text": "22C"}, {"type": "text", "text": "22C"}):
        sent = [{"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "response": [block]}]}]
        assert read(sent) == [CONVERSATION[2]]


def test_a_response_that_is_the_tools_own_list_stays() -> None:
    rows = [{"city": "Rome", "t": 22}, {"city": "Oslo", "t": 8}]

    assert read([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": rows}]}]) == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": rows}]}
    ]


def test_results_in_a_users_message_come_first_and_alone() -> None:  # Pydantic AI up to settings version 5
    results = [{"type": "tool_call_response", "id": f"c{i}", "name": "weather", "result": "22C"} for i in (1, 2)]

    assert read([{"role": "user", "parts": [{"type": "text", "content": "And?"}, *results]}]) == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "name": "weather", "response": "22C"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c2", "name": "weather", "response": "22C"}]},
        text("user", "And?"),
    ]


def test_results_in_an_assistants_message_split_it() -> None:  # hosted tools, whole agents of the Vercel AI SDK 7
    call, result = CONVERSATION[1]["parts"][0], CONVERSATION[2]["parts"][0]
    sent = {"role": "assistant", "parts": [call, result, {"type": "text", "content": "22C"}], "finish_reason": "stop"}

    assert answer([sent]) == [
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [result]},
        text("assistant", "22C", finish_reason="stop"),
    ]


def test_a_result_without_an_id_answers_the_only_open_call() -> None:  # OpenLIT for JS
    assert read([CONVERSATION[1], {"role": "tool", "parts": [{"type": "text", "content": "22C"}]}]) == CONVERSATION[1:]


def test_a_result_without_an_id_stays_so_when_several_calls_are_open() -> None:
    calls = [{"type": "tool_call", "id": f"c{i}", "name": "weather", "arguments": {}} for i in (1, 2)]

    assert read([{"role": "assistant", "parts": calls}, {"role": "tool", "content": "22C"}]) == [
        {"role": "assistant", "parts": calls},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": None, "response": "22C"}]},
    ]


def test_calls_with_the_role_of_a_tool_are_the_models() -> None:  # Strands, on the span of the tool
    assert read([{"role": "tool", "parts": CONVERSATION[1]["parts"]}]) == [CONVERSATION[1]]


def test_content_that_was_not_captured() -> None:  # Pydantic AI, include_content=False
    assert read([{"role": "user", "parts": [{"type": "text"}]}]) == [
        {"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}
    ]


@pytest.mark.parametrize("mark", ["readacted", "<REDACTED>", "__REDACTED__", "<replaced>", "<elided>"])
def test_redactions_are_no_content(mark: str) -> None:
    assert parts_of({"type": "text", "content": mark}) == [{"type": "text", "content": None, "redacted": True}]
    assert read(mark) == [{"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}]


def test_empty_and_null_parts_are_skipped() -> None:
    value = [{"role": "assistant", "parts": [None, {"type": "text", "content": ""}, {"type": "text", "content": None}]}]

    assert read(value) == [{"role": "assistant", "parts": []}]


def test_reasoning_and_refusal() -> None:
    assert parts_of(
        {"type": "reasoning", "content": "Rome is warm"}, {"type": "refusal", "content": "No."}, {"type": "reasoning"}
    ) == [
        {"type": "reasoning", "content": "Rome is warm"},
        {"type": "refusal", "content": "No."},
        {"type": "reasoning", "content": None, "redacted": True},
    ]


def test_tools_of_the_provider_are_marked() -> None:
    assert read(
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "server_tool_call", "id": "s1", "name": "web_search", "server_tool_call": {"query": "q"}},
                    {"type": "server_tool_call_response", "id": "s1", "server_tool_call_response": {"hits": 3}},
                    {"type": "tool_call", "id": "s2", "name": "code", "arguments": "{}", "builtin": True},
                ],
            }
        ]
    ) == [
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "s1",
                    "name": "web_search",
                    "arguments": {"query": "q"},
                    "server": True,
                }
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "s1", "response": {"hits": 3}}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "s2", "name": "code", "arguments": {}, "server": True}],
        },
    ]


@pytest.mark.parametrize("kind", ["tool_approval_request", "compaction", "json", "framework_thing"])
def test_what_nobody_knows_is_kept(kind: str) -> None:
    part = {"type": kind, "content": {"a": 1}}

    assert parts_of(part) == [{"type": "generic", "original_type": kind, "value": part}]


def test_generic_parts_stay_as_they_are() -> None:
    part = {"type": "generic", "original_type": "compaction", "value": {"a": 1}}

    assert parts_of(part) == [part]


def test_one_bad_element_does_not_lose_the_list() -> None:
    assert read([text("user", "hi"), 7, {"nonsense": True}, text("user", "there")]) == [
        text("user", "hi"),
        {"role": "user", "parts": [{"type": "generic", "original_type": "object", "value": 7}]},
        {"role": "user", "parts": [{"type": "generic", "original_type": "object", "value": {"nonsense": True}}]},
        text("user", "there"),
    ]


def test_an_empty_role_is_the_default() -> None:  # google-genai, for roles that it does not know
    assert read([{"role": "", "parts": [{"type": "text", "content": "hi"}]}]) == [text("user", "hi")]
    assert answer([{"role": "", "parts": [{"type": "text", "content": "hi"}]}]) == [text("assistant", "hi")]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("human", "user"),
        ("Assistant", "assistant"),
        ("model", "assistant"),
        ("AIMessageChunk", "assistant"),
        ("ChatRole.SYSTEM", "system"),
        ("<ChatRole.TOOL: 'tool'>", "tool"),
        ("developer", "developer"),
        ("critic", "critic"),
    ],
)
def test_roles(sent: str, kept: str) -> None:
    assert [message["role"] for message in read([{"role": sent, "content": "hi"}])] == [kept]


def test_blobs_and_their_aliases() -> None:
    kept = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PNG}

    assert (
        parts_of(
            kept,
            {"type": "blob", "data": PNG, "mime_type": "image/png"},
            {"type": "blob", "content": PNG, "media_type": "image/png", "modality": "application"},
            {"type": "binary", "binary_content": PNG, "media_type": "image/png"},
            {"kind": "binary", "binary_content": PNG, "media_type": "image/png"},
        )
        == [kept] * 5
    )


def test_the_mime_type_decides_on_the_modality() -> None:  # Vercel AI SDK 7 calls unknown files images
    pdf = {"type": "blob", "modality": "image", "mime_type": "application/pdf", "content": "JVBE"}

    assert parts_of(pdf) == [{**pdf, "modality": "document"}]


def test_large_blobs_are_replaced_by_size_and_digest() -> None:
    data = bytes(range(256)) * 64
    part = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": base64.b64encode(data).decode()}
    kept = {
        "type": "blob",
        "modality": "image",
        "mime_type": "image/png",
        "omitted": True,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }

    assert parts_of(part) == [kept]
    assert parts_of(kept) == [kept]
    assert m.parse_messages(
        [{"role": "user", "parts": [part]}], default_role="user", warnings=[], key="k", blob_limit=1_000_000
    ) == [{"role": "user", "parts": [part]}]


def test_links_and_files() -> None:
    assert parts_of(
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "uri", "uri": "gs://b/o.mp4", "mime_type": "video/mp4"},
        {"type": "file", "modality": "document", "file_id": "file-1"},
        {"type": "image-url", "url": "https://x/y.png"},
        {"kind": "document-url", "url": "https://x/y.pdf"},
    ) == [
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "uri", "modality": "video", "mime_type": "video/mp4", "uri": "gs://b/o.mp4"},
        {"type": "file", "file_id": "file-1", "modality": "document"},
        {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
        {"type": "uri", "modality": "document", "uri": "https://x/y.pdf"},
    ]


def test_data_urls_are_blobs() -> None:
    assert parts_of(
        {"type": "uri", "modality": "image", "uri": f"data:image/png;base64,{PNG}"},
        {"type": "uri", "uri": "data:text/plain,hi"},
    ) == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PNG},
        {"type": "blob", "modality": "document", "mime_type": "text/plain", "content": "aGk="},
    ]


@pytest.mark.parametrize("data", ["<replaced>", "__REDACTED__", "b'\\x89PNG'", None])
def test_bytes_that_the_sdk_left_out(data: Any) -> None:
    part = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": data}

    assert parts_of(part) == [{"type": "blob", "modality": "image", "mime_type": "image/png", "omitted": True}]


def test_media_that_langfuse_uploaded() -> None:
    url = "@@@langfuseMedia:type=image/png|id=a3-kNPkq|source=base64_data_uri@@@"

    assert parts_of({"type": "image_url", "image_url": {"url": url}}) == [
        {"type": "file", "file_id": "a3-kNPkq", "modality": "image", "mime_type": "image/png"}
    ]


def test_parts_without_a_message_are_one() -> None:
    assert read([{"type": "text", "content": "hi"}, {"type": "text", "text": "there"}]) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}, {"type": "text", "content": "there"}]}
    ]
    assert read([{"name": "weather", "args": {"city": "Rome"}, "id": "c1", "type": "tool_call"}]) == [CONVERSATION[1]]


def test_a_packed_list_of_typed_parts_is_opened() -> None:  # OpenLLMetry for LangChain in JS
    packed = json.dumps([{"type": "text", "text": "Be brief"}])

    assert parts_of({"type": "text", "content": packed}) == [{"type": "text", "content": "Be brief"}]


def test_a_packed_conversation_is_opened_where_the_caller_says_so() -> None:  # OpenLLMetry for the Responses API in JS
    packed = json.dumps(
        [
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
        ]
    )
    value = [text("user", packed)]

    assert read(value) == [text("user", packed)]
    assert m.parse_messages(value, default_role="user", warnings=[], key="k", nested=True) == [
        text("user", "Weather?"),
        CONVERSATION[1],
    ]


def test_lone_surrogates_are_replaced() -> None:
    assert read('[{"role":"user","content":"cut \\ud83d"}]') == [text("user", "cut \ufffd")]
    assert read("cut \ud83d") == [text("user", "cut \ufffd")]


def test_raw_control_characters_in_json() -> None:
    assert read('[{"role":"user","content":"two\nlines"}]') == [text("user", "two\nlines")]


def test_cut_json_is_read_as_far_as_it_goes() -> None:
    warnings: list[str] = []
    whole = json.dumps([text("user", "Weather in Rome?"), text("assistant", "It is 22 degrees there")])

    found = m.parse_messages(
        whole[: whole.index("es there")], default_role="user", warnings=warnings, key="gen_ai.input.messages"
    )

    assert found == [text("user", "Weather in Rome?"), text("assistant", "It is 22 degre")]
    assert warnings == ["truncated_json:gen_ai.input.messages"]
