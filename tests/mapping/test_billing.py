"""Which runs count in totals: the rules R1 to R10 that keep one model call from being billed twice, or not at all."""

from __future__ import annotations

import itertools
from decimal import Decimal

from spanledger.model.records import Run
from tests.mapping.build import Ledger, agent, chat, infrastructure, only_run, point, span, tool

RESPONSE = "chatcmpl-AzN4XpGm2fT7wQkL9sVb"


def test_r1_only_model_calls_bill() -> None:
    ledger = Ledger(
        agent(id=1, tokens=(113, 11)),
        chat(id=2, parent=1, tokens=(56, 5)),
        tool({"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 10}, id=3, parent=1),
        chat(id=4, parent=1, tokens=(57, 6)),
    )
    assert ledger.billed() == {2: (56, 5), 4: (57, 6)}


def test_r1_an_agent_keeps_its_aggregate_for_display_without_a_cost() -> None:
    ledger = Ledger(agent(id=1, tokens=(113, 11)), chat(id=2, parent=1))
    run = ledger.run(1)
    assert run.usage is not None
    assert (run.usage.input_tokens, run.usage.output_tokens) == (113, 11)
    assert (run.billable, run.cost) == (False, None)


def test_r1_a_tool_with_usage_never_bills() -> None:
    assert Ledger(tool({"gen_ai.usage.input_tokens": 9})).billed() == {}


def test_r1_embeddings_and_reranks_bill() -> None:
    facts = {"gen_ai.request.model": "text-embedding-3-small", "gen_ai.usage.input_tokens": 8}
    ledger = Ledger(
        span({"gen_ai.operation.name": "embeddings", **facts}, id=1),
        span({"gen_ai.operation.name": "rerank", **facts}, id=2),
    )
    assert ledger.billed() == {1: (8, None), 2: (8, None)}


def test_r2_ai_sdk_roots_and_steps_do_not_bill_beside_their_model_calls() -> None:
    usage = {"ai.usage.inputTokens": 56, "ai.usage.outputTokens": 5}
    ledger = Ledger(
        span({"ai.operationId": "ai.generateText", **usage}, id=1, scope="ai"),
        span({"ai.operationId": "ai.generateText.doGenerate", **usage}, id=2, parent=1, scope="ai"),
    )
    assert ledger.billed() == {2: (56, 5)}


def test_r2_the_worked_example_of_ai_sdk_7() -> None:
    step = {"gen_ai.operation.name": "agent_step"}
    ledger = Ledger(
        agent({"gen_ai.request.model": "gpt-4o"}, id=1, tokens=(113, 11), scope="gen_ai"),
        span(step, name="step 1", id=2, parent=1, scope="gen_ai"),
        chat(id=3, parent=2, tokens=(56, 5), scope="gen_ai"),
        span(step, name="step 2", id=4, parent=1, scope="gen_ai"),
        chat(id=5, parent=4, tokens=(57, 6), scope="gen_ai"),
    )
    assert ledger.billed() == {3: (56, 5), 5: (57, 6)}
    assert [ledger.run(number).type for number in range(1, 6)] == ["agent", "chain", "llm", "chain", "llm"]


def test_r2_orchestrate_tools_of_microsoft_extensions_does_not_bill_beside_its_chats() -> None:
    usage = {"gen_ai.usage.input_tokens": 113, "gen_ai.usage.output_tokens": 11, "gen_ai.request.model": "gpt-4o"}
    ledger = Ledger(span(usage, name="orchestrate_tools", id=1), chat(id=2, parent=1))
    assert ledger.run(1).type == "chain"
    assert ledger.billed() == {2: (56, 5)}


def test_r3_of_nested_model_calls_the_innermost_bills() -> None:
    ledger = Ledger(
        chat(id=1, scope="opentelemetry.instrumentation.langchain"),
        infrastructure(id=2, parent=1),
        chat(id=3, parent=2, scope="opentelemetry.instrumentation.openai.v1"),
    )
    assert ledger.billed() == {3: (56, 5)}
    assert ledger.run(1).usage is not None


def test_r3_an_inner_call_without_usage_does_not_take_the_bill() -> None:
    assert Ledger(chat(id=1), chat(id=2, parent=1, tokens=None)).billed() == {1: (56, 5)}


def test_r3_two_inner_calls_bill_and_the_one_around_them_does_not() -> None:
    ledger = Ledger(chat(id=1, tokens=(113, 11)), chat(id=2, parent=1), chat(id=3, parent=1, tokens=(57, 6)))
    assert ledger.billed() == {2: (56, 5), 3: (57, 6)}


def test_r3_below_a_gateways_span_the_client_bills() -> None:
    ledger = Ledger(chat(id=1, kind="client"), chat(id=2, parent=1, kind="server"))
    assert ledger.billed() == {1: (56, 5)}


def test_r3_a_model_call_inside_a_tool_is_a_call_of_its_own() -> None:
    ledger = Ledger(chat(id=1), tool(id=2, parent=1), chat(id=3, parent=2, tokens=(57, 6)))
    assert ledger.billed() == {1: (56, 5), 3: (57, 6)}


def test_r3_a_late_inner_call_takes_the_bill_over() -> None:
    ledger = Ledger(chat(id=1))
    assert ledger.billed() == {1: (56, 5)}
    ledger.add(chat(id=2, parent=1))
    assert ledger.billed() == {2: (56, 5)}
    assert (ledger.run(1).cost, ledger.run(1).version) == (None, 2)


def test_r3_an_embedding_inside_a_model_call_bills_beside_it() -> None:
    embed = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 8}
    assert Ledger(chat(id=1), span(embed, id=2, parent=1)).billed() == {1: (56, 5), 2: (8, None)}


def test_r4_an_agent_without_billed_calls_below_bills_itself() -> None:
    ledger = Ledger(agent(id=1, tokens=(113, 11)), chat(id=2, parent=1, tokens=None))
    assert ledger.billed() == {1: (113, 11)}


def test_r4_of_nested_agents_without_model_calls_the_innermost_bills() -> None:
    ledger = Ledger(agent(id=1, tokens=(113, 11)), agent(id=2, parent=1, tokens=(113, 11)))
    assert ledger.billed() == {2: (113, 11)}


def test_r4_an_agent_with_all_counters_at_zero_is_not_promoted() -> None:
    assert Ledger(agent(tokens=(0, 0))).billed() == {}


def test_r4_a_promotion_is_taken_back_when_a_model_call_comes_late() -> None:
    ledger = Ledger(agent(id=1, tokens=(113, 11)))
    assert ledger.billed() == {1: (113, 11)}
    ledger.add(chat(id=2, parent=1, tokens=(113, 11)))
    assert ledger.billed() == {2: (113, 11)}


def test_r4_a_chain_inside_a_model_call_is_not_promoted_beside_it() -> None:
    usage = {"ai.usage.inputTokens": 56, "ai.usage.outputTokens": 5}
    generation = {"langfuse.observation.type": "generation", "gen_ai.usage.input_tokens": 56}
    ledger = Ledger(
        span(generation, id=1, scope="langfuse-sdk"),
        span({"gen_ai.operation.name": "framework", **usage}, id=2, parent=1),
    )
    assert ledger.run(2).type == "chain"
    assert ledger.billed() == {1: (56, None)}


def test_r4_calls_that_say_their_usage_is_partial_leave_the_bill_to_the_agent() -> None:
    partial = {"gen_ai.usage.partial.input_tokens": 3, "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 1}
    ledger = Ledger(
        agent(id=1, tokens=(113, 11)),
        chat(partial, id=2, parent=1, tokens=None),
        chat(partial, id=3, parent=1, tokens=None),
    )
    assert ledger.billed() == {1: (113, 11)}


def test_r4_one_whole_call_among_partial_ones_keeps_the_bill_with_the_calls() -> None:
    partial = {"gen_ai.usage.partial.input_tokens": 3}
    ledger = Ledger(agent(id=1, tokens=(113, 11)), chat(partial, id=2, parent=1), chat(id=3, parent=1))
    assert sorted(ledger.billed()) == [2, 3]


def test_r5_siblings_with_one_response_id_bill_once() -> None:
    ledger = Ledger(
        agent(id=1),
        chat(id=2, parent=1, response_id=RESPONSE),
        chat(id=3, parent=1, response_id=RESPONSE, kind="server"),
    )
    assert ledger.billed() == {2: (56, 5)}


def test_r5_one_response_id_in_two_traces_bills_once() -> None:
    application = chat(id=1, trace=1, response_id=RESPONSE)
    gateway = chat(id=2, trace=2, response_id=RESPONSE, kind="server", start=0.1)
    for order in itertools.permutations((application, gateway)):
        ledger = Ledger()
        for one in order:
            ledger.add(one)
        assert ledger.billed() == {1: (56, 5)}
        assert ledger.run(2, trace=2).cost is None


def test_r5_one_response_id_in_two_projects_bills_in_both() -> None:
    first = Ledger(chat(response_id=RESPONSE), project="a")
    records = first.mapper.add("b", [chat(response_id=RESPONSE)])
    assert [record.billable for record in records if isinstance(record, Run)] == [True]


def test_r5_calls_that_share_an_id_but_not_their_tokens_are_different_calls() -> None:
    ledger = Ledger(*(chat(id=n, tokens=(50 + n, 5), response_id=RESPONSE) for n in range(1, 4)))
    assert sorted(ledger.billed()) == [1, 2, 3]


def test_r5_an_id_that_every_call_carries_swallows_no_call_of_the_trace() -> None:
    ledger = Ledger(*(chat(id=n, response_id="00000000-0000-0000-0000-000000000000") for n in range(1, 11)))
    assert sorted(ledger.billed()) == list(range(1, 11))


def test_r5_an_id_that_every_call_carries_swallows_no_trace() -> None:
    calls = [chat(id=n, trace=n, response_id="00000000-0000-0000-0000-000000000000") for n in range(1, 11)]
    for order in (calls, calls[::-1]):
        ledger = Ledger()
        for call in order:
            ledger.add(call)
        assert sorted(ledger.billed()) == list(range(1, 11))


def test_r5_ollamas_short_ids_are_no_identity() -> None:
    """Ollama draws the ids of its OpenAI-compatible answers from chatcmpl-0 to chatcmpl-998."""
    ledger = Ledger(chat(id=1, trace=1, response_id="chatcmpl-123"), chat(id=2, trace=2, response_id="chatcmpl-123"))
    assert sorted(ledger.billed()) == [1, 2]


def test_r6_two_spellings_of_one_counter_are_one_number() -> None:
    twins = {
        "gen_ai.usage.prompt_tokens": 56,
        "llm.token_count.prompt": 56,
        "llm.usage.prompt_tokens": 56,
        "ai.usage.inputTokens": 56,
    }
    assert Ledger(chat(twins)).billed() == {1: (56, 5)}


def test_r6_a_spelling_that_disagrees_is_kept_and_flagged() -> None:
    run = only_run(chat({"gen_ai.usage.prompt_tokens": 60}))
    assert run.usage is not None
    assert run.usage.input_tokens == 56
    assert run.attributes["gen_ai.usage.prompt_tokens"] == 60
    assert "usage_conflict" in run.warnings


def test_r7_an_azure_thread_run_seen_by_several_spans_bills_once() -> None:
    facts = {"gen_ai.thread.run.id": "run_1", "gen_ai.usage.input_tokens": 113, "gen_ai.usage.output_tokens": 11}
    ledger = Ledger(
        span({"gen_ai.operation.name": "start_thread_run", **facts}, id=1, end=1),
        span({"gen_ai.operation.name": "process_thread_run", **facts}, id=2, start=1, end=2),
        span({"gen_ai.operation.name": "process_thread_run", **facts, "gen_ai.thread.run.id": "run_2"}, id=3),
    )
    assert ledger.billed() == {2: (113, 11), 3: (113, 11)}


def test_r8_a_span_that_comes_again_with_more_is_replaced_and_not_added() -> None:
    ledger = Ledger(chat(id=1, tokens=None))
    ledger.add(chat(id=1, tokens=(56, 5)))
    ledger.add(chat(id=1, tokens=(56, 5)))
    assert ledger.billed() == {1: (56, 5)}
    assert len(ledger.runs) == 1


def test_r9_totals_do_not_depend_on_the_order_of_arrival() -> None:
    spans = (
        agent(id=1, tokens=(113, 11)),
        chat(id=2, parent=1),
        chat(id=3, parent=2, kind="server"),
        chat(id=4, parent=1, tokens=(57, 6)),
    )
    for order in itertools.permutations(spans):
        ledger = Ledger()
        for one in order:
            ledger.add(one)
        assert ledger.billed() == {2: (56, 5), 4: (57, 6)}


def test_r10_unknown_usage_is_null() -> None:
    run = only_run(chat(tokens=None))
    assert (run.usage, run.billable) == (None, False)


def test_r10_a_cost_that_is_reported_without_tokens_counts() -> None:
    """Images and speech have a price and no tokens."""
    ledger = Ledger(
        chat({"gen_ai.usage.cost": 0.04}, tokens=None, id=1), chat({"gen_ai.usage.cost": 0}, tokens=None, id=2)
    )
    billed, free = ledger.run(1), ledger.run(2)
    assert (billed.usage, billed.billable, free.billable) == (None, True, False)
    assert billed.cost is not None
    assert billed.cost.total == Decimal("0.04")


def test_r10_a_reported_cost_around_a_call_with_tokens_counts_once() -> None:
    ledger = Ledger(chat({"gen_ai.usage.cost": 0.04}, tokens=None, id=1), chat(id=2, parent=1))
    assert (ledger.run(1).billable, ledger.run(2).billable) == (False, True)
    assert ledger.run(1).cost is None


def test_r10_zero_tokens_are_a_value() -> None:
    run = only_run(chat(tokens=(56, 0)))
    assert run.usage is not None
    assert run.usage.output_tokens == 0
    assert run.billable


def test_metrics_are_kept_beside_the_runs_and_never_added() -> None:
    tokens = point("gen_ai.client.token.usage", {"gen_ai.token.type": "input", "gen_ai.request.model": "gpt-4o"})
    ledger = Ledger(chat(), tokens)
    assert ledger.billed() == {1: (56, 5)}
    assert [(metric.name, metric.sum, metric.count) for metric in ledger.metrics] == [
        ("gen_ai.client.token.usage", 113.0, 2)
    ]
