"""Names of runs: what the application called them, else the model, the span's name at last."""

from __future__ import annotations

import pytest

from spanledger.model.span import Value
from tests.mapping.build import Ledger, agent, chat, only_run, span, tool


def name_of(facts: dict[str, Value], name: str = "a span", scope: str = "") -> str:
    return only_run(span(facts, name=name, scope=scope)).name


def test_a_model_call_is_named_after_its_model() -> None:
    assert only_run(chat(model="gpt-4o", name="ChatCompletion")).name == "gpt-4o"


def test_a_model_call_bears_the_function_id_that_the_application_gave() -> None:
    facts = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.telemetry.functionId": "greet",
    }
    assert name_of(facts, name="ai.generateText.doGenerate") == "greet"


def test_an_ai_sdk_call_bears_its_function_id_on_the_outer_span_too() -> None:
    facts = {"ai.operationId": "ai.generateText", "resource.name": "greet"}
    ledger = Ledger(
        span(facts, name="ai.generateText greet", id=1),
        span({"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m"}, id=2, parent=1),
    )
    assert ledger.run(1).name == "greet"


def test_a_langfuse_generation_bears_the_name_of_its_span() -> None:
    facts = {"langfuse.observation.type": "generation", "gen_ai.request.model": "gpt-4o"}
    assert name_of(facts, name="answer-question") == "answer-question"


def test_a_model_call_without_a_model_is_named_after_its_span() -> None:
    assert name_of({"gen_ai.operation.name": "chat"}, name="anthropic.messages") == "anthropic.messages"


def test_geminis_models_prefix_is_no_part_of_a_name() -> None:
    assert only_run(chat(model="models/gemini-2.0-flash")).name == "gemini-2.0-flash"


def test_a_tool_bears_its_own_name() -> None:
    assert only_run(tool(name="get_weather")).name == "get_weather"


@pytest.mark.parametrize(
    ("span_name", "expected"),
    [
        ("execute_tool get_weather", "get_weather"),
        ("running tool: get_weather", "get_weather"),
        ("Tool: get_weather", "get_weather"),
        ("get_weather.tool", "get_weather"),
        ("tools/call get_weather", "get_weather"),
        ("anthropic.tool_use get_weather", "get_weather"),
        ("execute_tool", "execute_tool"),
        ("get_weather", "get_weather"),
    ],
)
def test_a_tool_that_names_itself_nowhere_else_is_named_by_its_span(span_name: str, expected: str) -> None:
    run = only_run(span({"gen_ai.operation.name": "execute_tool"}, name=span_name))
    assert (run.name, run.tool) == (expected, {"name": expected})


@pytest.mark.parametrize(
    ("facts", "span_name", "expected"),
    [
        ({"gen_ai.agent.name": "weather"}, "invoke_agent weather", "weather"),
        ({"agent_name": "weather"}, "agent run", "weather"),
        ({"agent.name": "weather"}, "Agent.run", "weather"),
        ({"lk.agent_name": "weather"}, "agent_turn", "weather"),
        ({"crewai.agent.role": "Researcher"}, "Researcher.agent", "Researcher"),
        ({"traceloop.entity.name": "planner"}, "planner.agent", "planner"),
        ({}, "invoke_agent weather", "weather"),
        ({}, "agent_run [weather]", "weather"),
        ({}, "weather.agent", "weather"),
    ],
)
def test_agents(facts: dict[str, Value], span_name: str, expected: str) -> None:
    assert name_of({"gen_ai.operation.name": "invoke_agent", **facts}, name=span_name) == expected


def test_an_ai_sdk_7_agent_is_named_after_its_function_id() -> None:
    assert only_run(agent(name="weather-agent", scope="gen_ai")).name == "weather-agent"


@pytest.mark.parametrize(
    ("facts", "span_name", "expected"),
    [
        ({"traceloop.span.kind": "workflow", "traceloop.entity.name": "joke"}, "joke.workflow", "joke"),
        ({"traceloop.span.kind": "task"}, "parse.task", "parse"),
        ({"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "joke"}, "invoke_workflow joke", "joke"),
        ({"gen_ai.operation.name": "agent_step"}, "step 1", "step 1"),
        ({"haystack.component.type": "PromptBuilder", "haystack.component.name": "builder"}, "x", "builder"),
        ({"genkit:metadata:subtype": "flow", "genkit:name": "menu"}, "menu", "menu"),
        ({"openinference.span.kind": "CHAIN"}, "RunnableSequence", "RunnableSequence"),
        ({"lunary.run.type": "chain", "lunary.name": "pipeline"}, "x", "pipeline"),
        ({"langfuse.observation.type": "chain"}, "answer-question", "answer-question"),
    ],
)
def test_chains(facts: dict[str, Value], span_name: str, expected: str) -> None:
    assert name_of(facts, name=span_name) == expected


def test_mlflow_quotes_its_names() -> None:
    assert name_of({"mlflow.spanType": '"CHAIN"', "mlflow.spanFunctionName": '"predict"'}) == "predict"


def test_a_workflow_name_on_every_span_below_it_names_only_the_workflow() -> None:
    facts = {"traceloop.span.kind": "task", "traceloop.workflow.name": "joke", "traceloop.entity.name": "parse"}
    assert name_of(facts, name="parse.task") == "parse"


@pytest.mark.parametrize("kind", ["RETRIEVER", "GUARDRAIL", "EVALUATOR"])
def test_other_runs_are_named_by_their_span(kind: str) -> None:
    assert name_of({"openinference.span.kind": kind}, name="BaseRetriever") == "BaseRetriever"


def test_the_name_of_the_span_is_kept_beside_the_name_of_the_run() -> None:
    run = only_run(tool(name="get_weather"))
    assert (run.name, run.span_name, run.span_kind) == ("get_weather", "execute_tool get_weather", "internal")


def test_an_empty_name_is_the_last_resort() -> None:
    assert name_of({"openinference.span.kind": "CHAIN"}, name="") == ""


def test_an_agents_identity() -> None:
    facts = {"gen_ai.agent.id": "asst_1", "gen_ai.agent.description": "tells the weather", "gen_ai.agent.version": "2"}
    assert only_run(agent(facts, name="weather")).agent == {
        "id": "asst_1",
        "name": "weather",
        "description": "tells the weather",
        "version": "2",
    }


def test_the_agent_around_a_model_call_is_context_and_not_its_name() -> None:
    run = only_run(chat({"gen_ai.agent.name": "weather"}))
    assert (run.type, run.name, run.agent) == ("llm", "gpt-4o", {"name": "weather"})


def test_a_tools_identity() -> None:
    facts = {"gen_ai.tool.call.id": "call_1", "gen_ai.tool.type": "function", "gen_ai.tool.description": "the weather"}
    assert only_run(tool(facts)).tool == {
        "name": "get_weather",
        "call_id": "call_1",
        "type": "function",
        "description": "the weather",
    }


def test_a_prompt_template() -> None:
    facts = {
        "llm.prompt_template.template": "Weather in {city}?",
        "llm.prompt_template.version": "v2",
        "llm.prompt_template.variables": '{"city":"Paris"}',
        "gen_ai.prompt.name": "weather",
    }
    assert only_run(chat(facts)).prompt == {
        "name": "weather",
        "version": "v2",
        "template": "Weather in {city}?",
        "variables": {"city": "Paris"},
    }
