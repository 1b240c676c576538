"""One conversation out of several carriers (conventions §0.4 rule 8, §8.3 #60)."""

from __future__ import annotations

import copy
from typing import Any

from spanledger.mapping import messages as m


def say(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


def call(id_: str | None, arguments: Any, name: str = "weather") -> dict[str, Any]:
    return {"role": "assistant", "parts": [{"type": "tool_call", "id": id_, "name": name, "arguments": arguments}]}


def result(id_: str | None, response: Any) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id_, "response": response}]}


SYSTEM, ASK, ANSWER = say("system", "Be brief"), say("user", "Weather?"), say("assistant", "22C")


def test_the_same_conversation_twice_is_once() -> None:
    assert m.merge_messages([SYSTEM, ASK, ANSWER], [SYSTEM, ASK, ANSWER]) == [SYSTEM, ASK, ANSWER]


def test_instructions_that_came_apart_stand_first() -> None:
    assert m.merge_messages([SYSTEM], [ASK, ANSWER]) == [SYSTEM, ASK, ANSWER]
    assert m.merge_messages([ASK, ANSWER], [SYSTEM]) == [SYSTEM, ASK, ANSWER]


def test_instructions_that_stand_in_the_messages_too_are_once() -> None:
    assert m.merge_messages([SYSTEM], [say("developer", "Be brief"), ASK]) == [SYSTEM, ASK]


def test_other_instructions_are_kept() -> None:
    assert m.merge_messages([SYSTEM], [say("system", "Be kind"), ASK]) == [SYSTEM, say("system", "Be kind"), ASK]


def test_what_only_one_carrier_has_keeps_its_place() -> None:
    assert m.merge_messages([ASK, say("user", "And?")], [SYSTEM, ASK, ANSWER, say("user", "And?")]) == [
        SYSTEM,
        ASK,
        ANSWER,
        say("user", "And?"),
    ]


def test_people_may_repeat_themselves() -> None:
    assert m.merge_messages([ASK, ASK], [ASK, ASK]) == [ASK, ASK]


def test_the_richer_twin_wins() -> None:
    rich = {"role": "user", "parts": [*ASK["parts"], {"type": "uri", "modality": "image", "uri": "https://x/y.png"}]}

    assert m.merge_messages([ASK], [rich]) == [rich]
    assert m.merge_messages([rich], [ASK]) == [rich]


def test_ids_names_and_finish_reasons_are_filled_in() -> None:
    bare = call(None, {"city": "Rome"})
    full = {**call("c1", '{"city": "Rome"}'), "finish_reason": "tool_call", "name": "agent"}
    full["parts"][0]["arguments"] = {"city": "Rome"}
    reasoning = {**bare, "parts": [{"type": "reasoning", "content": "r"}, bare["parts"][0]]}

    assert m.merge_messages([bare], [full]) == [full]
    assert m.merge_messages([reasoning], [full]) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "r"}, full["parts"][0]],
            "finish_reason": "tool_call",
            "name": "agent",
        }
    ]


def test_results_that_differ_in_encoding_are_twins() -> None:
    assert m.merge_messages([result("c1", {"t": 22})], [result("c1", '{"t": 22}')]) == [result("c1", {"t": 22})]


def test_messages_without_content_give_way() -> None:
    empty = [{"role": "user", "parts": []}, {"role": "assistant", "parts": [], "finish_reason": "stop"}]

    assert m.merge_messages(empty, [ASK, ANSWER]) == [ASK, {**ANSWER, "finish_reason": "stop"}]
    assert m.merge_messages([ASK, ANSWER], empty) == [ASK, {**ANSWER, "finish_reason": "stop"}]


def test_redacted_content_gives_way() -> None:
    redacted = {"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}

    assert m.merge_messages([redacted], [ASK]) == [ASK]


def test_results_that_were_written_twice_are_once() -> None:  # botocore: own events, and in the user's message again
    conversation = [ASK, call("c1", {}), result("c1", "22C"), result("c1", "22C")]

    assert m.merge_messages(conversation) == conversation[:3]


def test_results_whose_id_is_the_name_of_the_tool_are_kept() -> None:  # Microsoft.Extensions.AI
    conversation = [call("weather", {"city": "a"}), result("weather", "22C"), result("weather", "22C")]

    assert m.merge_messages(conversation) == conversation


def test_nothing_to_merge() -> None:
    assert m.merge_messages() == []
    assert m.merge_messages([], [ASK], []) == [ASK]


def test_the_carriers_stay_as_they_are() -> None:
    first, second = [call(None, {})], [{**call("c1", {}), "finish_reason": "tool_call"}]
    before = copy.deepcopy((first, second))

    merged = m.merge_messages(first, second)

    assert (first, second) == before
    assert merged == second
