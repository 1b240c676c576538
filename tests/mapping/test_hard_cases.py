"""The hard cases of the conventions' list that concern the mapping, by their number.

Cases of the wire, of message shapes and of prices are with the tests of the decoder, the messages and the cost; those
that have a whole file of their own here (order of arrival, hostile values, bounds) are not repeated.
"""

from __future__ import annotations

import json

import pytest

from spanledger.model.span import Value
from tests.mapping.build import (
    Ledger,
    agent,
    chat,
    event,
    exception,
    infrastructure,
    log,
    only_run,
    run_id,
    span,
    tool,
    usage_of,
)


def told(*messages: dict[str, Value]) -> str:
    return json.dumps(messages)


def text(role: str, content: str) -> dict[str, Value]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


# --- values ----------------------------------------------------------------------------------------------------------


def test_case_12_a_span_that_is_sent_again_is_the_same_run() -> None:
    ledger = Ledger(chat(), chat())
    assert len(ledger.runs) == 1
    assert ledger.add(chat()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "NaN", "Infinity"])
def test_case_17_a_number_that_is_none_takes_no_field(value: Value) -> None:
    run = only_run(chat({"gen_ai.request.temperature": value, "gen_ai.usage.input_tokens": value}))
    assert run.params == {}
    assert run.usage is not None
    assert run.usage.input_tokens is None


def test_case_18_true_is_not_one_token() -> None:
    run = only_run(chat({"gen_ai.usage.input_tokens": True, "gen_ai.request.max_tokens": True}, tokens=(1, 5)))
    assert run.usage is not None
    assert run.usage.input_tokens is None
    assert run.params == {}


def test_case_22_keys_that_collide_when_taken_apart_both_stay() -> None:
    run = only_run(chat({"llm.a": "x", "llm.a.b": "y", "metadata.a": "1", "metadata.a.b": "2"}))
    assert run.attributes == {"llm.a": "x", "llm.a.b": "y"}
    assert run.metadata == {"a": "1", "a.b": "2"}


@pytest.mark.parametrize("key", ["__proto__", "constructor", "__class__", "__dict__"])
def test_case_23_keys_with_a_meaning_elsewhere_are_keys(key: str) -> None:
    run = only_run(chat({key: "x", f"metadata.{key}": "y", f"gen_ai.prompt.0.{key}": "z"}))
    assert (run.metadata, run.attributes) == ({key: "y"}, {key: "x"})


@pytest.mark.parametrize(
    "group", ["gen_ai.prompt", "llm.input_messages", "retrieval.documents", "embedding.embeddings"]
)
def test_case_24_an_index_beyond_all_reason_makes_no_giant(group: str) -> None:
    facts = {f"{group}.999999999.role": "user", f"{group}.999999999.content": "x", f"{group}.0.content": "y"}
    run = only_run(span({"gen_ai.operation.name": "chat", **facts}))
    assert len(run.input or []) <= 2


def test_case_25_span_ids_that_collide_across_traces_are_different_runs() -> None:
    assert len(Ledger(chat(trace=1), chat(trace=2)).runs) == 2


def test_case_27_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert only_run(chat(id=1, parent=1)).parent_run_id is None


def test_case_28_dropped_attributes_are_told() -> None:
    made = chat()
    made.dropped_attributes = 1
    assert "dropped_attributes" in only_run(made).warnings


def test_case_29_messages_that_were_cut_are_read_as_far_as_they_go() -> None:
    run = only_run(chat({"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello, wor'}))
    assert run.input == [{"role": "user", "parts": [{"type": "text", "content": "Hello, wor"}]}]
    assert run.warnings == ["truncated_json:gen_ai.input.messages"]


def test_case_31_vectors_are_not_kept_but_their_size_is() -> None:
    facts = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.embeddings.0.embedding.text": "Paris",
        "embedding.embeddings.0.embedding.vector": [0.25] * 3072,
    }
    run = only_run(span(facts))
    assert (run.type, run.input, run.output, run.params) == ("embed", ["Paris"], None, {"dimensions": 3072})
    assert run.attributes == {}


def test_case_33_a_service_that_nobody_named_has_no_name() -> None:
    assert only_run(chat(resource={"service.name": "unknown_service:node"})).service_name is None


def test_case_35_token_counts_as_strings_and_doubles() -> None:
    found = usage_of(chat({"gen_ai.usage.input_tokens": "56", "gen_ai.usage.output_tokens": 5.0}, tokens=None))
    assert (found.input_tokens, found.output_tokens) == (56, 5)


def test_case_37_placeholders_that_openlit_writes_for_what_nobody_asked() -> None:
    facts = {"gen_ai.request.max_tokens": -1, "gen_ai.request.seed": "", "gen_ai.request.user": "",
             "gen_ai.request.stop_sequences": []}  # fmt: skip
    assert only_run(chat(facts, scope="openlit")).params == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.request.model", "none"),
        ("gen_ai.request.model", "unknown"),
        ("gen_ai.request.model", "N/A"),
        ("gen_ai.request.model", "NOT_FOUND"),
    ],
)
def test_case_38_a_model_called_none_is_none(key: str, value: str) -> None:
    assert only_run(span({"gen_ai.operation.name": "chat", key: value})).request_model is None


def test_case_38_what_adk_writes_where_nothing_was_captured_is_nothing() -> None:
    facts = {"gcp.vertex.agent.tool_call_args": "N/A", "gcp.vertex.agent.tool_response": "<not specified>"}
    run = only_run(tool({**facts, "gen_ai.tool.call.id": "<not specified>"}))
    assert (run.input, run.output, run.tool) == (None, None, {"name": "get_weather"})


def test_case_39_zero_is_a_value_and_absent_is_not_zero() -> None:
    assert only_run(chat({"gen_ai.request.temperature": 0})).params == {"temperature": 0}
    assert only_run(chat()).params == {}


def test_case_40_no_output_tokens_on_a_real_call_are_valid() -> None:
    assert Ledger(chat(tokens=(56, 0))).billed() == {1: (56, 0)}


@pytest.mark.parametrize(("written", "read"), [("True", True), ("true", True), ("False", False), ("maybe", None)])
def test_case_41_booleans_as_words(written: str, read: bool | None) -> None:
    assert only_run(chat({"llm.is_streaming": written})).streaming is read


def test_case_43_json_inside_of_json() -> None:
    run = only_run(tool({"gen_ai.tool.call.arguments": '"{\\"city\\":\\"Paris\\"}"'}))
    assert run.input == {"city": "Paris"}


@pytest.mark.parametrize("prompt", ['{"a":1}', "123", "true", "null "])
def test_case_44_a_prompt_that_looks_like_json_stays_the_text_it_is(prompt: str) -> None:
    facts = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": prompt}
    assert only_run(chat(facts)).input == [{"role": "user", "parts": [{"type": "text", "content": prompt}]}]


@pytest.mark.parametrize("identity", ["00123", "12345678901234567890", "1e5"])
def test_case_45_ids_that_look_like_numbers_stay_text(identity: str) -> None:
    facts = {"user.id": identity, "session.id": identity, "gen_ai.response.id": identity, "gen_ai.agent.id": identity}
    run = only_run(chat(facts))
    assert (run.user_id, run.session_id, run.response_id, run.agent) == (identity, identity, identity, {"id": identity})


def test_case_46_arrays_whose_elements_are_json() -> None:
    values = only_run(span({"ai.operationId": "ai.embedMany.doEmbed", "ai.values": ['"Paris"', '"Rome"']}))
    ranked = only_run(
        span(
            {
                "ai.operationId": "ai.rerank.doRerank",
                "ai.documents": ['"Paris"', '"Rome"'],
                "ai.ranking": ['{"originalIndex":1,"score":0.9}', '{"originalIndex":0,"score":0.2}'],
            }
        )
    )
    assert values.input == ["Paris", "Rome"]
    assert ranked.output == [
        {"id": "1", "content": "Rome", "score": 0.9},
        {"id": "0", "content": "Paris", "score": 0.2},
    ]


def test_case_47_lists_that_were_glued_together_without_escaping() -> None:
    assert only_run(chat({"gen_ai.request.stop_sequences": '["a"b", "c"]'})).params["stop"] == ['a"b', "c"]


def test_case_49_strands_writes_milliseconds_where_seconds_belong() -> None:
    assert only_run(chat({"gen_ai.server.time_to_first_token": 120.0})).ttft_ns == 120_000_000


def test_case_50_reasoning_beyond_the_output_stands_beside_it() -> None:
    assert usage_of(chat({"gen_ai.usage.reasoning_tokens": 40})).output_tokens == 45


def test_case_51_a_users_own_attribute_called_input_is_weaker_than_the_messages() -> None:
    facts = {"input": "checkout", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}
    assert only_run(chat(facts)).input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ai.request.headers.authorization", "Bearer sk-secret"),
        ("ai.request.headers.x-api-key", "sk-secret"),
        ("llm.headers", "{'authorization': 'Bearer sk-secret'}"),
        ("gen_ai.headers", "{'Authorization': 'Bearer sk-secret'}"),
        ("http.request.header.authorization", ["Bearer sk-secret"]),
        ("http.request.header.cookie", ["session=sk-secret"]),
        ("hidden_params", '{"api_key":"sk-secret"}'),
        ("llm.openai.api_key", "sk-secret"),
        ("api_key", "sk-secret"),
        ("metadata.hidden_params", "{'api_key': 'sk-secret'}"),
        ("metadata", '{"headers":{"Authorization":"sk-secret"}}'),
        ("llm.openai.headers", {"authorization": "sk-secret"}),
    ],
)
def test_case_52_keys_and_cookies_do_not_reach_the_ledger(key: str, value: Value) -> None:
    assert "sk-secret" not in repr(only_run(chat({key: value})))


def test_case_52_a_header_that_is_no_secret_stays() -> None:
    run = only_run(chat({"ai.request.headers.x-request-id": "r1", "http.request.header.user-agent": ["x"]}))
    assert run.attributes == {"ai.request.headers.x-request-id": "r1", "http.request.header.user-agent": ["x"]}


# --- meaning ---------------------------------------------------------------------------------------------------------


def test_case_54_tool_name_on_a_chat_span_does_not_make_it_a_tool() -> None:
    run = only_run(chat({"gen_ai.tool.name": "get_weather,get_time", "gen_ai.tool.call.id": "a,b"}, scope="openlit"))
    assert (run.type, run.tool) == ("llm", None)


@pytest.mark.parametrize(("wrong", "right"), [("embeddings", "retriever"), ("chat", "prompt")])
def test_case_55_langsmith_names_the_operation_wrong_and_its_own_kind_right(wrong: str, right: str) -> None:
    run = only_run(span({"gen_ai.operation.name": wrong, "langsmith.span.kind": right}, scope="langsmith"))
    assert run.type == {"retriever": "retriever", "prompt": "chain"}[right]


@pytest.mark.parametrize("kind", ["client", "internal", "server"])
def test_case_56_the_span_kind_tells_no_type(kind: str) -> None:
    assert only_run(span({"gen_ai.operation.name": "invoke_agent"}, kind=kind)).type == "agent"


def test_case_60_a_tool_result_that_two_events_repeat_is_one_message() -> None:
    result = {"role": "tool", "id": "call_1", "content": "rain"}
    run = only_run(
        chat(events=[event("gen_ai.tool.message", result, time=0.1), event("gen_ai.tool.message", result, time=0.2)])
    )
    assert run.input is not None
    assert len(run.input) == 1


def test_case_63_a_history_on_every_span_stands_on_every_run() -> None:
    history = '[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"Bye"}]'
    ledger = Ledger(chat({"gen_ai.input.messages": history}, id=1), chat({"gen_ai.input.messages": history}, id=2))
    assert [len(run.input or []) for run in ledger.runs] == [3, 3]


def test_case_65_a_stream_without_usage_has_unknown_usage_and_keeps_its_text() -> None:
    facts = {"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hel"}]}]'}
    run = only_run(chat(facts, tokens=None))
    assert (run.usage, run.billable) == (None, False)
    assert run.output == [{"role": "assistant", "parts": [{"type": "text", "content": "Hel"}]}]


def test_case_66_children_of_a_span_that_never_came_are_shown_below_its_id() -> None:
    ledger = Ledger(chat(id=2, parent=1), tool(id=3, parent=1))
    assert {run.parent_run_id for run in ledger.runs} == {run_id(1)}


def test_case_68_the_late_half_of_a_logfire_stream_is_merged() -> None:
    request = {"request_data": '{"model":"gpt-4o","stream":true}', "logfire.span_type": "span"}
    late = {"request_data": '{"model":"gpt-4o"}', "logfire.span_type": "log",
            "response_data": '{"combined_chunk_content":"Hello","chunk_count":2}'}  # fmt: skip
    ledger = Ledger(
        chat(request, id=1, tokens=None, scope="logfire.openai"),
        chat(late, id=2, parent=1, scope="logfire.openai"),
    )
    assert len(ledger.runs) == 1
    assert ledger.billed() == {1: (56, 5)}
    assert "Hello" in repr(ledger.run(1).output)


def test_case_69_a_conversation_id_that_is_the_previous_response_is_no_session() -> None:
    assert only_run(chat({"gen_ai.conversation.id": "resp_68a1"})).session_id is None


def test_case_70_a_transport_session_is_no_conversation() -> None:
    facts = {"mcp.method.name": "tools/call", "mcp.session.id": "m1", "gen_ai.tool.name": "get_weather"}
    assert only_run(span(facts)).session_id is None


def test_case_71_a_user_on_the_http_root_alone_reaches_the_runs() -> None:
    ledger = Ledger(infrastructure(id=1, attributes={"enduser.id": "u1"}, kind="server"), chat(id=2, parent=1))
    assert ledger.run(2).user_id == "u1"


@pytest.mark.parametrize("facts", [{"lmnr.span.type": "CACHED"}])
def test_case_72_an_answer_from_a_cache_costs_nothing(facts: dict[str, Value]) -> None:
    run = only_run(chat(facts))
    assert run.cost is not None
    assert (run.cost.source, str(run.cost.total)) == ("cached", "0")


def test_case_73_retries_are_runs_of_their_own() -> None:
    failed = [exception("RateLimitError", "slow down")]
    ledger = Ledger(
        chat(id=1, tokens=None, status="error", events=failed),
        chat(id=2, tokens=None, status="error", events=failed),
        chat(id=3),
    )
    assert ledger.billed() == {3: (56, 5)}
    assert [ledger.run(number).status for number in (1, 2, 3)] == ["error", "error", "success"]


@pytest.mark.parametrize("kind", ["CallDeferred", "ApprovalRequired", "langgraph.errors.GraphInterrupt"])
def test_case_74_waiting_for_approval_is_no_error(kind: str) -> None:
    assert only_run(tool(status="error", events=[exception(kind)])).status == "success"


def test_case_75_a_guardrail_is_no_chain_of_the_application() -> None:
    guard = span({"openinference.span.kind": "GUARDRAIL"}, id=1)
    ledger = Ledger(guard, chat(id=2, parent=1))
    assert (ledger.run(1).type, ledger.run(2).parent_run_id) == ("guardrail", run_id(1))


def test_case_76_an_agent_that_handled_its_tools_failure_did_well() -> None:
    ledger = Ledger(
        span({"gen_ai.operation.name": "invoke_agent", "error.type": "ToolError"}, id=1, status="ok"),
        tool(id=2, parent=1, status="error"),
    )
    assert (ledger.run(1).status, ledger.run(2).status) == ("success", "error")


def test_case_77_native_keys_beat_what_a_processor_derived_from_them() -> None:
    derived = {
        "openinference.span.kind": "LLM",
        "llm.system": "microsoft.agent_framework",
        "llm.token_count.prompt": 1,
        "output.value": '{"choices":[{"finish_reason":"stop"}]}',
    }
    native = {"gen_ai.response.finish_reasons": ["length"]}
    run = only_run(chat({**derived, **native}))
    assert (run.provider, run.finish_reasons) == ("openai", ["length"])
    assert run.usage is not None
    assert run.usage.input_tokens == 56


def test_case_78_a_body_with_nothing_but_an_id_and_a_model_is_no_answer() -> None:
    facts = {"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]',
             "output.value": '{"id":"chatcmpl-1","model":"gpt-4o"}'}  # fmt: skip
    assert "Hello" in repr(only_run(chat(facts)).output)


def test_case_80_mlflow_quotes_every_value() -> None:
    facts = {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": "gpt-4o",
             "mlflow.chat.tokenUsage": '{"input_tokens":56,"output_tokens":5,"total_tokens":61}'}  # fmt: skip
    ledger = Ledger(span(facts))
    assert (ledger.run(1).type, ledger.billed()) == ("llm", {1: (56, 5)})


def test_case_81_an_ai_sdk_7_object_call_without_cache_writes_stays_inclusive() -> None:
    facts = {"gen_ai.usage.cache_read.input_tokens": 40}
    found = usage_of(chat(facts, provider="anthropic", model="claude-haiku-4-5", scope="gen_ai"))
    assert (found.input_tokens, found.cache_read_tokens, found.cache_write_tokens) == (56, 40, None)


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("cohere.command-r-v1:0", "estimated"),
        ("mistral.mistral-7b-instruct-v0:2", "estimated"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "provider"),
    ],
)
def test_case_83_counters_that_botocores_instrumentation_guesses_are_estimates(model: str, source: str) -> None:
    scope = "opentelemetry.instrumentation.botocore.bedrock-runtime"
    assert usage_of(chat(model=model, provider="aws.bedrock", scope=scope)).source == source


def test_case_85_an_evaluation_days_later_reopens_nothing() -> None:
    ledger = Ledger(chat())
    late = log(
        "gen_ai.evaluation.result", {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": 1}, time=3e5
    )
    assert [record.record for record in ledger.add(late)] == ["score"]
    assert ledger.run(1).version == 1


def test_case_86_an_agent_whose_calls_were_sampled_away_bills() -> None:
    assert Ledger(agent(tokens=(113, 11))).billed() == {1: (113, 11)}


def test_case_87_a_child_that_starts_before_its_parent_is_still_its_child() -> None:
    ledger = Ledger(agent(id=1, start=5), chat(id=2, parent=1, start=1))
    assert ledger.run(2).parent_run_id == run_id(1)


def test_case_88_runs_of_a_trace_that_goes_on_for_days_are_given_as_they_come() -> None:
    ledger = Ledger()
    for number in range(2, 20):
        assert len(ledger.add(chat(id=number, parent=1, start=number * 9000.0, end=number * 9000.0 + 1))) == 1


def test_case_89_a_session_that_the_root_tells_at_its_end_reaches_the_runs_before() -> None:
    ledger = Ledger(chat(id=2, parent=1))
    ledger.add(agent({"langfuse.session.id": "s1", "langfuse.user.id": "u1"}, id=1))
    assert (ledger.run(2).session_id, ledger.run(2).user_id) == ("s1", "u1")


def test_case_90_where_contents_were_uploaded_to_is_kept_without_its_signature() -> None:
    facts = {"gen_ai.input.messages_ref": "https://bucket.s3.amazonaws.com/m.json?X-Amz-Signature=sk-secret"}
    assert only_run(chat(facts)).attributes == {"gen_ai.input.messages_ref": "https://bucket.s3.amazonaws.com/m.json"}


def test_case_91_the_scope_called_ai_alone_makes_no_run() -> None:
    assert Ledger(span(name="fetch", scope="ai")).runs == []
    assert Ledger(span(name="fetch", scope="gen_ai")).runs == []


# --- and those that concern what else stands in values ----------------------------------------------------------------


def test_case_19_arrays_that_mix_types_or_hold_nulls_keep_what_is_known() -> None:
    run = only_run(
        chat({"gen_ai.request.stop_sequences": ["a", None, 1], "gen_ai.response.finish_reasons": ["stop", None]})
    )

    assert (run.params["stop"], run.finish_reasons) == (["a", "1"], ["stop"])


def test_case_20_nested_attributes_stay_as_they_are() -> None:
    assert only_run(chat({"mine": {"a": {"b": 1}}})).attributes["mine"] == {"a": {"b": 1}}


def test_case_21_of_a_key_that_stands_twice_the_last_wins() -> None:
    run = only_run(
        span([("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "a"), ("gen_ai.request.model", "b")])
    )

    assert run.request_model == "b"


def test_case_30_messages_that_sentry_cut_from_the_front_are_told() -> None:
    run = only_run(
        chat({"gen_ai.input.messages": told(text("user", "hi")), "gen_ai.input.messages.original_length": 12})
    )

    assert run.warnings == ["earlier_messages_omitted"]
    assert run.attributes["gen_ai.input.messages.original_length"] == 12


def test_case_30_a_length_that_is_the_lists_own_says_nothing() -> None:
    run = only_run(
        chat({"gen_ai.input.messages": told(text("user", "hi")), "gen_ai.input.messages.original_length": 1})
    )

    assert run.warnings == []


def test_case_32_bodies_that_are_bytes_are_read() -> None:
    run = only_run(chat({"gen_ai.prompt": b'{"messages":[{"role":"user","content":"hi"}]}'}))

    assert run.input == [text("user", "hi")]


def test_case_36_counters_as_strings_and_as_doubles_count_alike() -> None:
    for written in ("12", 12.0, " 12 "):
        assert usage_of(chat({"gen_ai.usage.input_tokens": written}, tokens=None)).input_tokens == 12


def test_case_42_values_that_python_printed_are_read() -> None:
    run = only_run(chat({"llm.invocation_parameters": "{'temperature': 0.5, 'stop': None}"}, scope="litellm"))

    assert run.params == {"temperature": 0.5}


def test_case_42_what_is_no_literal_stays_text() -> None:
    run = only_run(chat({"llm.invocation_parameters": "{'temperature': open('/etc/passwd')"}, scope="litellm"))

    assert run.params == {}


def test_case_48_what_litellm_makes_of_null_and_of_objects() -> None:
    run = only_run(
        chat({"metadata.requester_metadata": "{'user_id': 'u1', 'team': None}", "metadata.note": ""}, scope="litellm")
    )

    assert (run.user_id, run.metadata) == ("u1", {})


@pytest.mark.parametrize("literal", ["<REDACTED>", "__REDACTED__", "readacted", "<elided>"])
def test_case_53_what_was_blacked_out_is_no_content(literal: str) -> None:
    run = only_run(chat({"gen_ai.input.messages": told(text("user", literal))}))

    assert run.input == [{"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}]


def test_case_57_a_model_that_openlit_made_up_is_kept() -> None:
    run = only_run(
        chat(model="claude-3-5-sonnet-latest", provider="anthropic", scope="openlit.instrumentation.anthropic")
    )

    assert run.request_model == "claude-3-5-sonnet-latest"


def test_case_58_an_agent_without_a_name_is_called_by_its_id() -> None:
    run = only_run(agent(name="7f3a2c10-6494-46d4-8371-2e26eb1dfc1f"))

    assert run.name == "7f3a2c10-6494-46d4-8371-2e26eb1dfc1f"


def test_case_59_calls_that_share_their_tools_name_as_an_id_keep_their_results() -> None:
    calls = [{"type": "tool_call", "id": "w", "name": "w", "arguments": {"n": number}} for number in (1, 2)]
    results = [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "w", "response": answer}]} for answer in "12"
    ]
    run = only_run(chat({"gen_ai.input.messages": told({"role": "assistant", "parts": calls}, *results)}))

    assert isinstance(run.input, list)
    assert [message["parts"][0].get("response") for message in run.input[1:]] == ["1", "2"]


def test_case_61_one_message_per_token_is_one_message() -> None:
    tokens = {f"llm.output_messages.{n}.message.role": "assistant" for n in range(20)}
    pieces = {f"llm.output_messages.{n}.message.content": f"{n} " for n in range(20)}

    run = only_run(chat({**tokens, **pieces}))

    assert run.output == [text("assistant", "".join(pieces.values()))]


def test_case_62_tools_among_the_messages_are_tools() -> None:
    definition = json.dumps({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}})
    run = only_run(
        chat(
            {
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": "hi",
                "llm.input_messages.1.message.role": "tool",
                "llm.input_messages.1.message.content": definition,
            }
        )
    )

    assert run.input == [text("user", "hi")]
    assert run.tools == [{"name": "weather", "parameters": {"type": "object"}}]


def test_case_64_an_agent_without_an_output_answers_what_its_last_model_call_said() -> None:
    ledger = Ledger(
        agent(id=1),
        chat({"gen_ai.output.messages": told(text("assistant", "It is 22 degrees."))}, id=3, parent=1, start=3, end=4),
        chat({"gen_ai.output.messages": told(text("assistant", "Let me see."))}, id=2, parent=1, start=1, end=2),
    )

    assert ledger.run(1).output == [text("assistant", "It is 22 degrees.")]
    assert ledger.run(1).warnings == ["output_from_model_call"]


def test_case_64_an_agent_that_ends_with_a_tool_call_has_no_answer() -> None:
    call = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "w", "arguments": {}}]}
    ledger = Ledger(agent(id=1), chat({"gen_ai.output.messages": told(call)}, id=2, parent=1))

    assert ledger.run(1).output is None


def test_case_67_usage_that_came_too_late_is_unknown() -> None:
    run = only_run(chat({"gen_ai.response.time_to_first_chunk": 0.25}, tokens=None))

    assert (run.usage, run.ttft_ns) == (None, 250_000_000)


def test_case_79_a_format_string_that_was_never_filled_in_is_a_key() -> None:
    run = only_run(chat({"agno{key_suffix}.tools": '[{"name": "weather"}]'}))

    assert run.tools == [{"name": "weather"}]


def test_case_82_passes_that_compact_the_conversation_are_billed() -> None:
    raw = {
        "input_tokens": 100, "output_tokens": 10, "iterations": [
            {"type": "compaction", "input_tokens": 5_000, "output_tokens": 200},
            {"type": "message", "input_tokens": 100, "output_tokens": 10},
            {"type": "advisor_message", "input_tokens": 7_000, "output_tokens": 70},
        ],
    }  # fmt: skip

    usage = usage_of(chat({"gen_ai.usage.raw": json.dumps(raw)}, tokens=(100, 10), provider="anthropic"))

    assert (usage.input_tokens, usage.output_tokens) == (5_100, 210)


def test_case_84_what_openlit_estimates_cannot_be_told_from_what_it_was_given() -> None:
    assert usage_of(chat(scope="openlit.instrumentation.ollama")).source == "provider"


def test_case_92_bytes_as_an_object_of_numbers_are_bytes() -> None:
    image = {"type": "image", "image": {"0": 137, "1": 80, "2": 78, "3": 71}}
    run = only_run(
        span(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.prompt.messages": told({"role": "user", "content": [image]}),
            }
        )
    )

    assert isinstance(run.input, list)
    assert run.input[0]["parts"][0]["content"] == "iVBORw=="
