"""Facts that stand in a framework's own values: agents' names, tool calls, marked functions, routes."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from spanledger.model.span import Value
from tests.mapping.build import Ledger, chat, only_run, span

LLAMA = "llamaindex.opentelemetry.tracer"


@pytest.mark.parametrize(
    "attributes",
    [
        {"input.value": json.dumps({"ev": "AgentInput(input=[], current_agent_name='planner')"})},
        {"output.value": json.dumps({"result": {"current_agent_name": "planner"}})},
        {"output.value": json.dumps({"messages": [{"type": "ai", "name": "planner", "content": "hi"}]})},
        {
            "output.value": json.dumps(
                {
                    "messages": [
                        {"lc": 1, "id": ["langchain_core", "messages", "AIMessage"], "kwargs": {"name": "planner"}}
                    ]
                }
            )
        },
        {"metadata": json.dumps({"lc_agent_name": "planner"})},
        {"graph.node.id": "planner"},
    ],
)
def test_an_agent_is_named_where_its_framework_says_so(attributes: dict[str, Value]) -> None:
    run = only_run(span({"openinference.span.kind": "CHAIN", **attributes}, name="step"))

    assert (run.agent or {})["name"] == "planner"


@pytest.mark.parametrize("identity", ["7f3a2c10-6494-46d4-8371-2e26eb1dfc1f", "asst_x1", "42"])
def test_an_agents_id_that_is_no_name_does_not_become_one(identity: str) -> None:
    run = only_run(span({"openinference.span.kind": "AGENT", "graph.node.id": identity}, name="step"))

    assert run.agent == {"id": identity}


@pytest.mark.parametrize(
    ("name", "shown"),
    [("get_weather.__call__", "get_weather"), ("geo_crew.kickoff", "geo_crew"), ("Writer._execute_core", "Writer")],
)
def test_the_method_that_was_wrapped_is_no_part_of_the_name(name: str, shown: str) -> None:
    assert only_run(span({"openinference.span.kind": "TOOL"}, name=name)).name == shown


@pytest.mark.parametrize("name", ["geo_agent.run", "geo_agent.on_messages_stream", "geo_agent.ainvoke"])
def test_an_agents_method_is_no_part_of_its_name(name: str) -> None:
    assert only_run(span({"openinference.span.kind": "AGENT"}, name=name)).name == "geo_agent"


def test_a_methods_name_without_an_agents_stays() -> None:
    assert only_run(span({"openinference.span.kind": "AGENT"}, name=".run")).name == ".run"


@pytest.mark.parametrize(
    ("name", "streaming"),
    [
        ("OpenAIChat.invoke_stream", True),
        ("OpenAIChatCompletionClient.create_stream", True),
        ("stream_chat", True),
        ("ChatOpenAI.astream", True),
        ("ai.streamText.doStream", True),
        ("GenerateContentStream", True),
        ("OpenAIChat.invoke", None),
        ("upstream.chat", None),
        ("Streamline gpt-4o", None),
    ],
)
def test_a_method_that_streams_tells_of_a_streamed_answer(name: str, streaming: bool | None) -> None:
    assert only_run(span({"openinference.span.kind": "LLM"}, name=name)).streaming is streaming


def test_autogens_results_of_parallel_calls_stand_in_one_message() -> None:
    results = ('{"name": "get_weather", "content": "18 degrees", "call_id": "c1", "is_error": false}',
               '{"name": "get_weather", "content": "no such city", "call_id": "c2", "is_error": true}')  # fmt: skip
    message = {f"llm.input_messages.0.function.{number}": result for number, result in enumerate(results)}
    run = only_run(span({"openinference.span.kind": "LLM", "llm.input_messages.0.message.role": "function", **message}))

    assert [part for message in run.input for part in message["parts"]] == [
        {"type": "tool_call_response", "id": "c1", "name": "get_weather", "response": "18 degrees"},
        {"type": "tool_call_response", "id": "c2", "name": "get_weather", "response": "no such city", "is_error": True},
    ]


def test_genkit_calls_every_end_a_stop_and_keeps_what_the_provider_called_it() -> None:
    answer = {
        "message": {"role": "model", "content": [{"toolRequest": {"name": "get_weather", "ref": "c1", "input": {}}}]},
        "finishReason": "stop",
        "raw": {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "tool_calls"}]},
    }
    action = {"genkit:type": "action", "genkit:metadata:subtype": "model", "genkit:name": "openai/gpt-4o-mini"}
    run = only_run(span({**action, "genkit:output": json.dumps(answer)}, scope="genkit-tracer"))

    assert run.finish_reasons == ["tool_call"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stream_chat", "llm"),
        ("chat_completion_v1_chat_completions_post", "llm"),
        ("fim_completion_v1_fim_completions_post", "llm"),
        ("agents_completion_v1_agents_completions_post", "llm"),
        ("embeddings_v1_embeddings_post", "embed"),
    ],
)
def test_mistrals_client_tells_a_streamed_or_failed_call_by_its_operation_alone(name: str, kind: str) -> None:
    asked = {"gen_ai.request.model": "mistral-large-latest", "gen_ai.request.temperature": 0.3}
    run = only_run(span(asked, name=name, scope="mistralai_sdk_tracer"))

    assert (run.type, run.provider, run.params) == (kind, "mistral_ai", {"temperature": 0.3})


def test_a_body_that_was_cut_off_still_tells_its_id_and_what_was_asked_for() -> None:
    asked = '{"model": "gpt-4o-mini", "temperature": 0.3, "messages": [{"role": "user", "content": "Capital of Fra'
    answered = '{"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assis'
    run = only_run(span({"openinference.span.kind": "LLM", "input.value": asked, "output.value": answered}))

    assert (run.response_id, run.request_model, run.model) == ("chatcmpl-1", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert run.params == {"temperature": 0.3}


@pytest.mark.parametrize("counters", ['{"prompt_tokens":211,"completion_tokens":3', '{"prompt_tokens":211,"compl'])
def test_a_counter_that_may_have_been_cut_off_is_unknown(counters: str) -> None:
    answered = f'{{"id":"chatcmpl-1","object":"chat.completion","usage":{counters}'
    usage = only_run(span({"openinference.span.kind": "LLM", "output.value": answered})).usage

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (211, None)


def test_a_cut_list_of_calls_of_the_ai_sdk_is_read_as_far_as_it_goes() -> None:
    whole = json.dumps([{"toolCallId": f"c{n}", "toolName": "get_weather", "args": '{"city":"Rome"}'} for n in (1, 2)])
    call = {"ai.operationId": "ai.generateText.doGenerate", "ai.response.toolCalls": whole[: whole.index("c2") + 20]}
    (answer,) = only_run(span(call)).output

    assert [(part["id"], part["name"]) for part in answer["parts"]][:1] == [("c1", "get_weather")]


def test_logfires_record_of_a_streamed_answer_tells_that_it_was_streamed() -> None:
    asked = {"request_data": '{"model":"gpt-4o-mini"}', "gen_ai.request.model": "gpt-4o-mini"}
    call = span({**asked, "logfire.span_type": "span", "gen_ai.operation.name": "chat"}, id=1)
    record = span({**asked, "logfire.span_type": "log", "gen_ai.usage.input_tokens": 7}, id=2, parent=1)

    assert [run.streaming for run in Ledger(call, record).runs] == [True]
    assert only_run(call).streaming is None


def test_a_llama_index_tool_is_the_call_that_its_event_tells() -> None:
    summary = "ToolCall(tool_name='get_weather', tool_kwargs={'city': 'Rome'}, tool_id='call_1')"

    run = only_run(span({"llamaindex.step.input_summary": summary}, name="FunctionTool.acall", scope=LLAMA))

    assert (run.type, run.name, run.input) == ("tool", "get_weather", {"city": "Rome"})
    assert run.tool == {"name": "get_weather", "call_id": "call_1"}
    assert run.attributes["llamaindex.step.input_summary"] == summary


def test_a_summary_that_was_cut_names_nothing() -> None:
    cut = "ToolCall(tool_name='get_weather', tool_kwargs={'city': 'Ro..."

    run = only_run(span({"llamaindex.step.input_summary": cut}, name="FunctionTool.acall", scope=LLAMA))

    assert (run.name, run.input) == ("FunctionTool.acall", None)


def test_a_marked_function_without_runs_below_is_a_tool() -> None:
    attributes: dict[str, Value] = {"function.kwargs": "{'city': 'Rome'}", "gen_ai.output.messages": "22 degrees"}

    run = only_run(span(attributes, name="get_weather", scope="openlit"))

    assert (run.type, run.name, run.output) == ("tool", "get_weather", "22 degrees")
    assert run.tool == {"name": "get_weather"}


@pytest.mark.parametrize(
    ("named", "positional", "given"),
    [
        ("{'city': 'Rome'}", "()", {"city": "Rome"}),
        ("{}", "('Rome',)", "Rome"),
        ("{}", "('Rome', 2)", ["Rome", 2]),
        ("{}", "()", {}),
    ],
)
def test_a_marked_functions_arguments_are_read_as_python_prints_them(named: str, positional: str, given: Value) -> None:
    attributes: dict[str, Value] = {"function.kwargs": named, "function.args": positional}

    assert only_run(span(attributes, name="get_weather", scope="openlit")).input == given


def test_a_marked_function_with_runs_below_is_a_chain() -> None:
    ledger = Ledger(
        span({"function.kwargs": "{}"}, name="plan", scope="openlit", id=1),
        chat(id=2, parent=1),
    )

    assert (ledger.run(1).type, ledger.run(1).tool) == ("chain", None)


def test_a_component_that_runs_all_tools_of_an_answer_hides_none_of_them() -> None:
    asked = [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Rome"}}],
        }
    ]
    answered = [*asked, {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "22"}]}]
    ledger = Ledger(
        chat({"gen_ai.output.messages": json.dumps(asked)}, id=1, start=0, end=1),
        span(
            {"haystack.component.name": "tool_invoker", "haystack.component.type": "ToolInvoker"},
            name="haystack.component.run",
            scope="haystack",
            id=2,
        ),
        chat({"gen_ai.input.messages": json.dumps(answered)}, id=3, start=2, end=3),
    )

    assert sorted(run.name for run in ledger.runs if run.type == "tool") == ["get_weather", "tool_invoker"]


@pytest.mark.parametrize(
    ("scope", "provider", "model", "asked"),
    [
        ("openinference.instrumentation.litellm", "openai", "openai/gpt-4o", "gpt-4o"),
        ("litellm", "bedrock", "bedrock/us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"),
        ("litellm", "groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("", "groq", "groq/compound", "groq/compound"),
    ],
)
def test_a_litellm_route_is_no_part_of_the_model(scope: str, provider: str, model: str, asked: str) -> None:
    assert only_run(chat(provider=provider, model=model, scope=scope)).request_model == asked


def test_an_aborted_ai_sdk_stream_is_a_streamed_model_call() -> None:
    attributes: dict[str, Value] = {
        "ai.operationId": "ai.streamText",
        "ai.model.id": "gpt-4o",
        "ai.settings.maxTokens": 9,
    }

    run = only_run(span(attributes, name="ai.streamText", scope="ai"))

    assert (run.type, run.streaming, run.params["max_tokens"]) == ("llm", True, 9)


def test_parameters_that_only_the_outer_span_of_a_call_states_are_the_calls() -> None:
    ledger = Ledger(
        chat({"gen_ai.request.temperature": 0.7, "gen_ai.request.max_tokens": 5}, tokens=None, id=1),
        chat({"gen_ai.request.max_tokens": 1024}, id=2, parent=1),
    )

    assert ledger.run(2).params == {"temperature": 0.7, "max_tokens": 1024}


def test_llama_indexes_num_output_is_the_limit_of_the_answer() -> None:
    written = json.dumps({"num_output": 64, "context_window": 128_000})

    assert only_run(chat({"llm.invocation_parameters": written})).params == {"max_tokens": 64}


def test_a_logfire_span_of_javascript_is_a_chain_when_it_holds_runs() -> None:
    ledger = Ledger(
        span({"logfire.msg": "orchestrator"}, name="orchestrator", scope="logfire", id=1), chat(id=2, parent=1)
    )

    assert (ledger.run(1).type, ledger.run(1).name) == ("chain", "orchestrator")


def test_langfuse_tells_the_size_of_vectors_instead_of_the_vectors() -> None:
    attributes: dict[str, Value] = {
        "langfuse.observation.type": "embedding",
        "langfuse.observation.model.name": "text-embedding-3-small",
        "langfuse.observation.output": '{"dimensions": 1536, "count": 1}',
    }

    assert only_run(span(attributes)).params["dimensions"] == 1536


def test_instructions_of_a_failed_pydantic_call_stand_among_its_parameters() -> None:
    parameters = json.dumps({"function_tools": [], "instruction_parts": [{"content": "Be brief", "dynamic": False}]})

    run = only_run(chat({"model_request_parameters": parameters}, tokens=None, scope="pydantic-ai"))

    assert run.input == [{"role": "system", "parts": [{"type": "text", "content": "Be brief"}]}]


@pytest.mark.parametrize(("kind", "found"), [("llm", "llm"), ("function", "tool"), ("task", "chain")])
def test_braintrusts_kind_may_stand_in_an_object(kind: str, found: str) -> None:
    assert only_run(span({"braintrust.span_attributes": json.dumps({"type": kind, "name": "x"})})).type == found


def test_what_vercels_gateway_billed_is_the_cost_of_the_call() -> None:
    metadata = json.dumps({"gateway": {"routing": {}, "cost": "0.0025"}})

    cost = only_run(chat({"ai.response.providerMetadata": metadata})).cost

    assert cost is not None
    assert (cost.reported, cost.total, cost.source) == (Decimal("0.0025"), Decimal("0.0025"), "reported")


def test_watsonx_has_names_of_its_own_for_parameters() -> None:
    written: dict[str, Value] = {
        "llm.watsonx.max_new_tokens": 64,
        "llm.watsonx.random_seed": 7,
        "llm.watsonx.repetition_penalty": 1.1,
    }

    assert only_run(chat(written)).params == {"max_tokens": 64, "seed": 7, "repetition_penalty": 1.1}


@pytest.mark.parametrize("key", ["gen_ai.openai.conversation.id", "aws.bedrock.agentcore.session_id"])
def test_further_names_of_a_session(key: str) -> None:
    assert only_run(chat({key: "s1"})).session_id == "s1"


def test_livekits_metrics_are_the_usage_of_the_call_that_carries_them() -> None:
    metrics = json.dumps({"prompt_tokens": 56, "completion_tokens": 5, "prompt_cached_tokens": 50, "ttft": 0.2})

    usage = only_run(span({"lk.llm_metrics": metrics}, name="llm_request", scope="livekit-agents")).usage

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (56, 5, 50)
