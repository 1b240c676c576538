"""Nothing received is lost: what no field takes stands in `attributes`, or in `metadata` as the application's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.mapping import DIALECTS, KEYS
from spanledger.mapping.facts import Facts
from spanledger.model.span import Value
from tests.mapping.build import agent, chat, event, only_run, span, tool

unknown_keys = st.from_regex(r"[a-z_]{1,8}(\.[a-z_0-9]{1,6}){0,3}", fullmatch=True)
scalars = st.text(min_size=1, max_size=5) | st.integers(-5, 5) | st.floats(allow_nan=False) | st.booleans()
attributes = st.dictionaries(st.sampled_from(sorted(KEYS.keys)) | unknown_keys, scalars | st.lists(scalars, max_size=2))


@given(attributes)
@settings(max_examples=100, derandomize=True, database=None, deadline=None)
def test_every_attribute_is_taken_by_a_field_or_kept(facts: dict[str, Value]) -> None:
    facts["lunary.run.type"] = "llm"
    made = span(facts)
    taken = {value_id for slot in vars(made).values() for value_id in _values(slot)}
    run = only_run(made)
    for key, value in facts.items():
        if value == [] or value == "":
            continue  # empty is absent
        known = KEYS.keys.get(key)
        stated = known is not None and getattr(made, known[0]) == value
        kept = key in run.attributes or key in run.metadata
        assert stated or kept or KEYS.group_of(key) is not None or id(value) in taken, key


def _values(slot: Value) -> list[int]:
    return [id(value) for value in slot.values()] if isinstance(slot, dict) else []


def test_an_unknown_attribute_of_a_known_namespace_is_kept_as_it_came() -> None:
    facts = {"gen_ai.request.levitation": [1, {"a": b"x"}], "llm.magic": True}
    assert only_run(chat(facts)).attributes == facts


def test_a_key_that_loses_against_a_different_value_is_kept() -> None:
    run = only_run(chat({"llm.model_name": "a", "ai.model.id": "other"}))
    assert run.request_model == "gpt-4o"
    assert run.attributes["ai.model.id"] == "other"


def test_a_key_that_says_the_same_is_not_kept_twice() -> None:
    assert only_run(chat({"gen_ai.system": "openai", "ai.model.id": "gpt-4o"})).attributes == {}


def test_a_placeholder_is_kept_and_takes_no_field() -> None:
    run = only_run(chat({"gen_ai.response.model": "unknown", "server.address": "NOT_FOUND"}))
    assert run.model == "gpt-4o"
    assert run.attributes == {"gen_ai.response.model": "unknown", "server.address": "NOT_FOUND"}


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_empty_is_absent(empty: Value) -> None:
    run = only_run(chat({"gen_ai.response.id": empty, "ai.response.id": "aitxt-1", "session.id": empty}))
    assert (run.response_id, run.session_id, run.attributes) == ("aitxt-1", None, {})


def test_of_a_repeated_key_the_last_one_counts() -> None:
    pairs = [("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "a"), ("gen_ai.request.model", "b")]
    assert only_run(span(pairs)).request_model == "b"


def test_what_was_only_a_clue_is_kept_under_the_conventions_key() -> None:
    run = only_run(
        chat({"server.address": "api.openai.com", "http.status_code": 200, "traceloop.workflow.name": "joke"})
    )
    assert run.attributes == {
        "server.address": "api.openai.com",
        "http.response.status_code": 200,
        "gen_ai.workflow.name": "joke",
    }


def test_an_address_is_kept_without_its_query_where_google_puts_the_key() -> None:
    run = only_run(chat({"url.full": "https://generativelanguage.googleapis.com/v1/models/x?key=AIza-secret"}))
    assert run.attributes == {"url.full": "https://generativelanguage.googleapis.com/v1/models/x"}


def test_what_only_model_calls_have_a_field_for_is_kept_on_others() -> None:
    facts = {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.finish_reasons": ["stop"],
    }
    assert only_run(agent(facts)).attributes == facts


def test_what_only_tools_have_a_field_for_is_kept_on_others() -> None:
    facts = {"gen_ai.tool.call.id": "call_1", "gen_ai.tool.call.arguments": '{"city":"Paris"}'}
    assert only_run(chat(facts)).attributes == facts


def test_events_that_became_nothing_else_are_kept() -> None:
    run = only_run(chat(events=[event("cache.miss", {"key": "x"}), event("gen_ai.user.message", {"content": "Hi"})]))
    assert [kept["name"] for kept in run.attributes["span.events"]] == ["cache.miss"]
    assert run.attributes["span.events"][0]["attributes"] == {"key": "x"}


def test_an_event_of_a_name_that_nobody_reads_is_kept() -> None:
    run = only_run(chat(events=[event("gen_ai.future.event", {"x": 1})]))
    assert [kept["name"] for kept in run.attributes["span.events"]] == ["gen_ai.future.event"]


def test_links_are_kept() -> None:
    run = only_run(span({"gen_ai.operation.name": "chat"}, links=[(2, 7)]))
    assert run.attributes["span.links"] == [
        {"trace_id": "00000000000000000000000000000002", "span_id": "0000000000000007", "attributes": {}}
    ]


def test_dropped_attributes_are_told() -> None:
    made = chat()
    made.dropped_attributes = 3
    assert only_run(made).warnings == ["dropped_attributes"]


def test_what_the_decoder_mended_is_told() -> None:
    made = chat()
    made.repairs = ["invalid_utf8:gen_ai.prompt"]
    assert only_run(made).warnings == ["invalid_utf8:gen_ai.prompt"]


def test_the_name_of_a_tool_on_a_model_call_is_kept() -> None:
    assert only_run(chat({"gen_ai.tool.name": "a,b"})).attributes == {"gen_ai.tool.name": "a,b"}


def test_the_mapper_does_not_change_what_it_was_given() -> None:
    made = tool({"metadata": {"tags": ["a"], "plan": "pro"}, "x.y": 1, "input.value": {"args": [1], "kwargs": {}}})
    before = repr((sorted(vars(made).items()), made.rest))
    only_run(made)
    assert repr((sorted(vars(made).items()), made.rest)) == before


# --- the tables ------------------------------------------------------------------------------------------------------


def test_dialects_are_ordered_by_rank_and_no_two_share_one() -> None:
    ranks = [dialect.rank for dialect in DIALECTS]
    assert ranks == sorted(set(ranks))


def test_every_slot_is_empty_until_a_decoder_fills_it() -> None:
    made = Facts()
    assert vars(made) == {}
    assert all(getattr(made, slot) is None for slot, _ in KEYS.keys.values())
    assert all(getattr(made, slot) is None for _, slot in KEYS.prefixes)


def test_longer_prefixes_come_first() -> None:
    prefixes = [prefix for prefix, _ in KEYS.prefixes]
    assert prefixes == sorted(prefixes, key=len, reverse=True)


def test_every_marker_is_a_slot() -> None:
    for dialect in DIALECTS:
        for marker in dialect.markers:
            assert hasattr(Facts, marker), (dialect.code, marker)


@pytest.mark.parametrize(
    ("made", "dialects"),
    [
        (chat(), ["otel"]),
        (chat(scope="pydantic-ai"), ["pydantic_ai", "otel"]),
        (chat({"ai.operationId": "ai.generateText.doGenerate"}, scope="ai"), ["vercel", "otel"]),
        (chat({"llm.input_messages.0.message.role": "user"}), ["openinference", "otel"]),
        (span({"gen_ai.system": "openai", "gen_ai.prompt.0.content": "x", "llm.request.type": "chat"}),
         ["otel_legacy", "openllmetry"]),
    ],
)  # fmt: skip
def test_dialects_that_contributed_facts_the_most_telling_first(made: Facts, dialects: list[str]) -> None:
    assert only_run(made).dialects == dialects
