"""Parents: noise in between, spans that are missing, late or go in circles, spans that are part of another's run."""

from __future__ import annotations

from spanledger.model.records import Run
from tests.mapping.build import Ledger, agent, chat, infrastructure, run_id, span, tool


def test_the_parent_is_the_nearest_ancestor_that_is_a_run() -> None:
    ledger = Ledger(
        agent(id=1),
        infrastructure(id=2, parent=1),
        infrastructure("GET", id=3, parent=2),
        chat(id=4, parent=3),
    )
    assert ledger.run(4).parent_run_id == run_id(1)
    assert ledger.run(4).parent_span_id == "0000000000000003"
    assert not ledger.has(2)


def test_a_run_below_nothing_but_noise_is_a_root() -> None:
    ledger = Ledger(infrastructure(id=1), chat(id=2, parent=1))
    assert ledger.run(2).parent_run_id is None


def test_a_parent_that_never_came_is_named_by_the_id_it_would_have() -> None:
    assert Ledger(chat(id=2, parent=1)).run(2).parent_run_id == run_id(1)


def test_a_missing_parent_above_noise_is_named_too() -> None:
    ledger = Ledger(infrastructure(id=2, parent=1), chat(id=3, parent=2))
    assert ledger.run(3).parent_run_id == run_id(1)


def test_a_late_parent_that_is_noise_hands_its_children_up() -> None:
    ledger = Ledger(agent(id=1), chat(id=3, parent=2))
    assert ledger.run(3).parent_run_id == run_id(2)
    ledger.add(infrastructure(id=2, parent=1))
    assert ledger.run(3).parent_run_id == run_id(1)
    assert ledger.run(3).version == 3


def test_a_span_that_names_itself_as_parent_is_a_root() -> None:
    assert Ledger(chat(id=1, parent=1)).run(1).parent_run_id is None


def test_a_cycle_is_cut_above_the_span_that_starts_first() -> None:
    ledger = Ledger(
        agent(id=1, parent=3, start=2),
        agent(id=2, parent=1, start=1),
        agent(id=3, parent=2, start=3),
    )
    assert ledger.run(2).parent_run_id is None
    assert ledger.run(3).parent_run_id == run_id(2)
    assert ledger.run(1).parent_run_id == run_id(3)


def test_runs_below_a_cycle_keep_their_parent() -> None:
    ledger = Ledger(
        infrastructure(id=1, parent=2, start=0), infrastructure(id=2, parent=1, start=1), chat(id=3, parent=2)
    )
    assert ledger.run(3).parent_run_id is None
    assert ledger.billed() == {3: (56, 5)}


def test_equal_span_ids_in_two_traces_are_two_runs() -> None:
    ledger = Ledger(chat(id=1, trace=1), chat(id=1, trace=2))
    assert {run.run_id for run in ledger.runs} == {run_id(1, trace=1), run_id(1, trace=2)}


def test_equal_spans_of_two_projects_are_two_runs() -> None:
    assert Ledger(chat(), project="a").runs[0].run_id != Ledger(chat(), project="b").runs[0].run_id


def test_a_parent_in_another_trace_counts_as_missing() -> None:
    ledger = Ledger(agent(id=1, trace=1), chat(id=2, parent=1, trace=2))
    assert ledger.run(2, trace=2).parent_run_id == run_id(1, trace=2)


def test_laminar_overrides_the_parent_with_a_uuid_whose_tail_is_the_span_id() -> None:
    override = {"lmnr.internal.override_parent_span": "00000000-0000-0000-0000-000000000001"}
    ledger = Ledger(agent(id=1), chat(override, id=2, parent=9))
    assert ledger.run(2).parent_run_id == run_id(1)


# --- spans that are part of another's run ----------------------------------------------------------------------------


def test_litellms_raw_request_fills_the_gaps_of_its_parent_and_is_no_run() -> None:
    ledger = Ledger(
        chat(id=1, scope="litellm", tokens=None),
        span(
            {"gen_ai.request.temperature": 0.2, "gen_ai.request.model": "another"},
            name="raw_gen_ai_request",
            id=2,
            parent=1,
            scope="litellm",
        ),
    )
    assert not ledger.has(2)
    assert ledger.run(1).params["temperature"] == 0.2
    assert ledger.run(1).request_model == "gpt-4o"


def test_a_merged_span_may_come_before_its_parent() -> None:
    raw = span({"gen_ai.request.temperature": 0.2}, name="raw_gen_ai_request", id=2, parent=1, scope="litellm")
    ledger = Ledger(raw)
    assert ledger.runs == []
    ledger.add(chat(id=1, scope="litellm"))
    assert ledger.run(1).params["temperature"] == 0.2


def test_children_of_a_merged_span_move_to_its_parent() -> None:
    ledger = Ledger(
        tool(id=1),
        span(name="claude_code.tool.execution", id=2, parent=1),
        chat(id=3, parent=2),
    )
    assert ledger.run(3).parent_run_id == run_id(1)


def test_logfires_late_half_of_a_stream_gives_its_usage_to_the_request_span() -> None:
    request = {"request_data": '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]}'}
    streamed = {
        "logfire.span_type": "log",
        "request_data": request["request_data"],
        "gen_ai.usage.input_tokens": 56,
        "gen_ai.usage.output_tokens": 5,
    }
    ledger = Ledger(
        chat({"logfire.span_type": "span", **request}, tokens=None, id=1, scope="logfire.openai"),
        span(streamed, name="streaming response", id=2, parent=1, scope="logfire.openai", start=1, end=1),
    )
    assert not ledger.has(2)
    assert ledger.billed() == {1: (56, 5)}


def test_mastras_model_step_gives_its_facts_to_the_call_inside_it() -> None:
    ledger = Ledger(
        span({"mastra.span.type": "model_generation", "gen_ai.request.model": "gpt-4o"}, id=1),
        span({"mastra.span.type": "model_step", "gen_ai.request.temperature": 0.5}, id=2, parent=1),
        span({"mastra.span.type": "model_inference", "gen_ai.request.model": "gpt-4o"}, id=3, parent=2),
    )
    assert not ledger.has(2)
    assert ledger.run(3).params["temperature"] == 0.5
    assert ledger.run(3).parent_run_id == run_id(1)


# --- application spans -----------------------------------------------------------------------------------------------

LOGFIRE = {"logfire.span_type": "span", "logfire.msg": "answer a question"}


def test_an_application_span_with_a_run_below_it_is_a_chain() -> None:
    ledger = Ledger(span(LOGFIRE, id=1, scope="logfire"), infrastructure(id=2, parent=1), chat(id=3, parent=2))
    assert (ledger.run(1).type, ledger.run(1).name) == ("chain", "answer a question")
    assert ledger.run(3).parent_run_id == run_id(1)


def test_an_application_span_with_nothing_below_it_is_no_run() -> None:
    assert Ledger(span(LOGFIRE, id=1, scope="logfire"), infrastructure(id=2, parent=1)).runs == []


def test_an_application_span_becomes_a_run_when_a_late_child_is_one() -> None:
    ledger = Ledger(span(LOGFIRE, id=1, scope="logfire"))
    ledger.add(chat(id=2, parent=1))
    assert ledger.run(1).type == "chain"


def test_an_ai_sdk_call_that_runs_tools_is_an_agent() -> None:
    ledger = Ledger(
        span({"ai.operationId": "ai.generateText"}, id=1, scope="ai"),
        span({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "get_weather"}, id=2, parent=1, scope="ai"),
    )
    assert ledger.run(1).type == "agent"


def test_an_ai_sdk_call_that_runs_no_tools_is_a_chain() -> None:
    ledger = Ledger(
        span({"ai.operationId": "ai.generateText"}, id=1, scope="ai"),
        span({"ai.operationId": "ai.generateText.doGenerate"}, id=2, parent=1, scope="ai"),
    )
    assert ledger.run(1).type == "chain"


def test_an_aborted_ai_sdk_call_whose_inner_span_never_came_is_the_model_call() -> None:
    ledger = Ledger(span({"ai.operationId": "ai.streamText", "ai.model.id": "gpt-4o"}, id=1, scope="ai"))
    assert ledger.run(1).type == "llm"


def test_an_aborted_ai_sdk_call_has_messages_whatever_it_was_given() -> None:
    received = {"ai.operationId": "ai.generateText", "input.value": "[1, 2]", "output.value": '{"a": 1}'}
    run = Ledger(span(received, id=1, scope="ai")).run(1)
    assert [message["role"] for message in [*run.input, *run.output]] == ["user", "assistant"]


# --- one model call seen twice ---------------------------------------------------------------------------------------


def test_the_inner_span_of_a_model_call_takes_the_messages_of_the_outer_one() -> None:
    ledger = Ledger(
        chat({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}, id=1),
        chat({"gen_ai.response.id": "chatcmpl-000000000000001"}, id=2, parent=1),
    )
    assert ledger.run(2).input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert ledger.run(1).response_id is None


def test_a_model_call_around_two_gives_its_messages_to_neither() -> None:
    prompt = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}
    ledger = Ledger(chat(prompt, id=1), chat(id=2, parent=1), chat(id=3, parent=1))
    assert ledger.run(2).input is None


def test_a_model_call_inside_a_tool_takes_nothing_from_the_call_around_the_tool() -> None:
    prompt = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}
    ledger = Ledger(chat(prompt, id=1), tool(id=2, parent=1), chat(id=3, parent=2))
    assert ledger.run(3).input is None


def test_runs_come_in_order_of_start() -> None:
    ledger = Ledger()
    records = ledger.add(chat(id=1, start=3), agent(id=2, start=1), tool(id=3))
    assert [record.span_id for record in records if isinstance(record, Run)] == [
        "0000000000000003",
        "0000000000000002",
        "0000000000000001",
    ]
