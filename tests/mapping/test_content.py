"""Input and output of every kind of run: messages from whichever carrier has them, values out of their wrappers."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.model.span import Value
from tests.mapping.build import agent, chat, event, only_run, span, tool


def text(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


HI, HELLO = text("user", "Hi"), text("assistant", "Hello")

# --- model calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]'},
        {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]},
        {"gen_ai.request.messages": '[{"role":"user","content":"Hi"}]'},
        {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"},
        {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Hi"},
        {"ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"Hi"}]}]'},
        {"ai.prompt": '{"prompt":"Hi"}'},
        {"events": '[{"event.name":"gen_ai.user.message","content":"Hi","role":"user"}]'},
        {"request_data": '{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}'},
        {"gen_ai.prompt": '[{"role":"user","content":"Hi"}]'},
        {"gen_ai.prompt": "Hi"},
        {"llm.prompts.0.prompt.text": "Hi"},
        {"input.value": '{"messages":[{"role":"user","content":"Hi"}],"model":"gpt-4o"}'},
        {"langfuse.observation.input": '[{"role":"user","content":"Hi"}]'},
        {"traceloop.entity.input": "Hi"},
    ],
)
def test_carriers_of_the_input(facts: dict[str, Value]) -> None:
    assert only_run(chat(facts)).input == [HI]


@pytest.mark.parametrize(
    "facts",
    [
        {"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]'},
        {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hello"},
        {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hello"},
        {"ai.response.text": "Hello"},
        {"ai.result.text": "Hello"},
        {"response_data": '{"message":{"role":"assistant","content":"Hello"}}'},
        {"gen_ai.completion": '[{"role":"assistant","content":"Hello"}]'},
        {"llm.choices.0.completion.text": "Hello"},
        {"output.value": '{"choices":[{"message":{"role":"assistant","content":"Hello"}}]}'},
        {"langfuse.observation.output": '{"role":"assistant","content":"Hello"}'},
    ],
)
def test_carriers_of_the_output(facts: dict[str, Value]) -> None:
    found = only_run(chat(facts)).output
    assert [{"role": message["role"], "parts": message["parts"]} for message in found] == [HELLO]


def test_one_conversation_in_several_carriers_is_taken_once() -> None:
    facts = {
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
        "input.value": "Hi",
    }
    told = [event("gen_ai.user.message", {"content": "Hi"})]
    assert only_run(chat(facts, events=told)).input == [HI]


def test_a_carrier_that_says_nothing_leaves_the_word_to_the_next() -> None:
    facts = {"gen_ai.input.messages": "[]", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi"}
    assert only_run(chat(facts)).input == [HI]


def test_events_add_what_the_attributes_leave_out() -> None:
    facts = {"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]'}
    told = [event("gen_ai.choice", {"index": 0, "message": {"role": "assistant", "content": "Hello"}})]
    run = only_run(chat(facts, events=told))
    assert run.input == [HI]
    assert [message["parts"] for message in run.output] == [HELLO["parts"]]


def test_events_are_ordered_by_their_time() -> None:
    told = [
        event("gen_ai.user.message", {"content": "second"}, time=0.2),
        event("gen_ai.user.message", {"content": "first"}, time=0.1),
    ]
    assert only_run(chat(events=told)).input == [text("user", "first"), text("user", "second")]


@pytest.mark.parametrize(
    "instructions", ["Be brief.", '[{"type":"text","content":"Be brief."}]', [{"type": "text", "content": "Be brief."}]]
)
def test_system_instructions_that_stand_apart_come_first(instructions: Value) -> None:
    facts = {
        "gen_ai.system_instructions": instructions,
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
    }
    assert only_run(chat(facts)).input == [text("system", "Be brief."), HI]


def test_system_instructions_that_the_messages_hold_already_are_not_repeated() -> None:
    messages = '[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]'
    facts = {"gen_ai.system_instructions": "Be brief.", "gen_ai.input.messages": messages}
    assert only_run(chat(facts)).input == [text("system", "Be brief."), HI]


def test_the_instructions_of_a_request_body_come_first() -> None:
    body = '{"model":"gpt-4o","instructions":"Be brief.","input":"Hi"}'
    assert only_run(chat({"request_data": body})).input == [text("system", "Be brief."), HI]


def test_tool_calls_that_stand_apart_join_the_answer() -> None:
    """OpenLIT writes them as Python's repr."""
    calls = "[{'id': 'call_1', 'type': 'function', 'function': {'name': 'f', 'arguments': '{\"a\": 1}'}}]"
    run = only_run(chat({"gen_ai.response.tool_calls": calls, "gen_ai.completion.0.content": "Let me see."}))
    (message,) = run.output
    assert message["parts"] == [
        {"type": "text", "content": "Let me see."},
        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"a": 1}},
    ]


def test_nothing_captured_is_null() -> None:
    run = only_run(chat())
    assert (run.input, run.output, run.tools) == (None, None, None)


# --- tools -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "arguments"),
    [
        ({"gen_ai.tool.call.arguments": '{"city":"Paris"}'}, {"city": "Paris"}),
        ({"gen_ai.tool.call.arguments": {"city": "Paris"}}, {"city": "Paris"}),
        ({"ai.toolCall.args": '{"city":"Paris"}'}, {"city": "Paris"}),
        ({"tool_arguments": '{"city":"Paris"}'}, {"city": "Paris"}),
        ({"tool.parameters": '{"city":"Paris"}', "input.value": "{'city': 'Paris'}"}, {"city": "Paris"}),
        ({"input.value": '{"city":"Paris"}'}, {"city": "Paris"}),
        ({"traceloop.entity.input": '{"args":[],"kwargs":{"city":"Paris"}}'}, {"city": "Paris"}),
        ({"traceloop.entity.input": '{"args":["Paris"],"kwargs":{}}'}, "Paris"),
        ({"traceloop.entity.input": '{"inputs":{"city":"Paris"},"tags":[],"metadata":{}}'}, {"city": "Paris"}),
        ({"traceloop.entity.input": '{"input_str":"{\\"city\\":\\"Paris\\"}"}'}, {"city": "Paris"}),
        ({"gen_ai.tool.call.arguments": "Paris"}, "Paris"),
        ({"gen_ai.tool.call.arguments": "{city: Paris}"}, "{city: Paris}"),
    ],
)
def test_arguments_of_a_tool(facts: dict[str, Value], arguments: Value) -> None:
    assert only_run(tool(facts)).input == arguments


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        ({"gen_ai.tool.call.result": '{"temp":18}'}, {"temp": 18}),
        ({"gen_ai.tool.call.result": "sunny"}, "sunny"),
        ({"gen_ai.tool.call.result": 0}, 0),
        ({"ai.toolCall.result": '"sunny"'}, "sunny"),
        ({"tool_response": "sunny"}, "sunny"),
        ({"output.value": '{"output":"sunny"}'}, "sunny"),
        ({"traceloop.entity.output": '{"output":{"temp":18},"kwargs":{"tags":[]}}'}, {"temp": 18}),
        ({"output.value": '{"result":"sunny"}'}, "sunny"),
        ({"output.value": '{"lc":1,"type":"constructor","id":["x"],"kwargs":{"content":"sunny"}}'}, "sunny"),
        ({"output.value": '{"type":"tool","tool_call_id":"c","content":"sunny"}'}, "sunny"),
    ],
)
def test_result_of_a_tool(facts: dict[str, Value], result: Value) -> None:
    assert only_run(tool(facts)).output == result


def test_arguments_and_result_in_events() -> None:
    """Strands Agents."""
    told = [
        event("gen_ai.tool.message", {"content": '{"city":"Paris"}'}, time=0.1),
        event("gen_ai.choice", {"message": '[{"text":"sunny"}]'}, time=0.2),
    ]
    run = only_run(tool(events=told))
    assert (run.input, run.output) == ({"city": "Paris"}, [{"text": "sunny"}])


# --- agents and chains -----------------------------------------------------------------------------------------------


def test_an_agents_messages() -> None:
    facts = {
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]',
    }
    run = only_run(agent(facts))
    assert (run.input, run.output) == ([HI], [HELLO])


def test_the_whole_conversation_of_a_pydantic_ai_agent_is_split_at_its_answer() -> None:
    history = (
        '[{"role":"user","parts":[{"type":"text","content":"Hi"}]},'
        '{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]'
    )
    run = only_run(agent({"pydantic_ai.all_messages": history, "final_result": "Hello"}, scope="pydantic-ai"))
    assert (run.input, run.output) == ([HI], "Hello")


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"input.value": "Hi"}, "Hi"),
        ({"input.value": '{"question":"Hi"}'}, {"question": "Hi"}),
        ({"traceloop.entity.input": '{"inputs":{"question":"Hi"},"tags":["a"],"metadata":{},"kwargs":{}}'},
         {"question": "Hi"}),
        ({"langfuse.observation.input": '"Hi"'}, "Hi"),
        ({"question": "Hi"}, "Hi"),
        ({}, None),
    ],
)  # fmt: skip
def test_a_chains_input_is_the_value_as_received(facts: dict[str, Value], value: Value) -> None:
    assert only_run(span({"openinference.span.kind": "CHAIN", **facts})).input == value


def test_a_chains_output_is_the_value_as_received() -> None:
    facts = {"openinference.span.kind": "CHAIN", "output.value": '{"answer":"Hello"}'}
    assert only_run(span(facts)).output == {"answer": "Hello"}


# --- embeddings, retrieval, rerank -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "texts"),
    [
        ({"openinference.span.kind": "EMBEDDING", "embedding.embeddings.0.embedding.text": "Paris",
          "embedding.embeddings.1.embedding.text": "Rome"}, ["Paris", "Rome"]),
        ({"ai.operationId": "ai.embed.doEmbed", "ai.value": '"Paris"'}, ["Paris"]),
        ({"ai.operationId": "ai.embedMany.doEmbed", "ai.values": ['"Paris"', '"Rome"']}, ["Paris", "Rome"]),
        ({"gen_ai.operation.name": "embeddings", "inputs": '["Paris","Rome"]'}, ["Paris", "Rome"]),
        ({"gen_ai.operation.name": "embeddings", "request_data": '{"model":"m","input":["Paris"]}'}, ["Paris"]),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.embeddings.input": "Paris"}, ["Paris"]),
        ({"llm.request.type": "embedding", "gen_ai.prompt.0.content": "Paris"}, ["Paris"]),
        ({"llm.request.type": "embedding", "gen_ai.prompt.0.content": '["Paris", "Rome"]'}, ["Paris", "Rome"]),
        ({"gen_ai.operation.name": "embeddings"}, None),
    ],
)  # fmt: skip
def test_texts_that_were_embedded(facts: dict[str, Value], texts: list[str] | None) -> None:
    run = only_run(span(facts))
    assert (run.type, run.input, run.output) == ("embed", texts, None)


@pytest.mark.parametrize(
    "facts",
    [
        {"embedding.embeddings.0.embedding.vector": [0.1, 0.2, 0.3]},
        {"ai.embeddings": ["[0.1,0.2,0.3]", "[1,2,3]"]},
        {"ai.embedding": "[0.1,0.2,0.3]"},
        {"gen_ai.embeddings.dimension.count": 3},
        {"gen_ai.request.embedding.dimensions": "3"},
        {"embedding.invocation_parameters": '{"dimensions":3}'},
    ],
)
def test_vectors_leave_their_length(facts: dict[str, Value]) -> None:
    run = only_run(span({"gen_ai.operation.name": "embeddings", **facts}))
    assert run.params == {"dimensions": 3}
    assert "0.1" not in repr(run)


PARIS = {"id": "d1", "content": "Paris is in France", "score": 0.9, "metadata": {"page": 3}}


@pytest.mark.parametrize(
    "facts",
    [
        {"openinference.span.kind": "RETRIEVER", "input.value": "Paris", "retrieval.documents.0.document.id": "d1",
         "retrieval.documents.0.document.content": "Paris is in France", "retrieval.documents.0.document.score": 0.9,
         "retrieval.documents.0.document.metadata": '{"page":3}'},
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "Paris", "gen_ai.retrieval.documents":
         '[{"id":"d1","content":"Paris is in France","score":0.9,"metadata":{"page":3}}]'},
        {"gen_ai.operation.name": "retrieval", "gen_ai.task.input": '{"query":"Paris"}', "gen_ai.task.output":
         '{"documents":[{"id":"d1","page_content":"Paris is in France","score":0.9,"metadata":{"page":3}}]}'},
        {"langsmith.span.kind": "retriever", "gen_ai.prompt": '{"query":"Paris"}', "gen_ai.completion":
         '{"documents":[{"id":"d1","page_content":"Paris is in France","score":"0.9","metadata":{"page":3}}]}'},
        {"mlflow.spanType": '"RETRIEVER"', "mlflow.spanInputs": '{"query":"Paris"}', "mlflow.spanOutputs":
         '[{"id":"d1","page_content":"Paris is in France","score":0.9,"metadata":{"page":3}}]'},
        {"openinference.span.kind": "RETRIEVER", "input.value": '{"str_or_query_bundle":{"query_str":"Paris"},"query":'
         '"Paris"}', "output.value": '{"nodes":[{"node":{"id_":"d1","text":"Paris is in France","metadata":{"page":3}},'
         '"score":0.9}]}'},
    ],
)  # fmt: skip
def test_retrieval(facts: dict[str, Value]) -> None:
    run = only_run(span(facts))
    assert (run.type, run.input, run.output) == ("retriever", "Paris", [PARIS])


def test_a_vector_stores_hits_stand_in_events_and_distance_is_no_score() -> None:
    """OpenLLMetry."""
    hit = {"db.query.result.id": "d1", "db.query.result.document": "Paris", "db.query.result.distance": 0.1}
    facts = {"db.system": "chroma", "db.operation": "query"}
    run = only_run(span(facts, name="chroma.query", events=[event("db.query.result", hit)]))
    assert (run.type, run.output) == ("retriever", [{"id": "d1", "content": "Paris", "distance": 0.1}])


def test_rerank_of_openinference() -> None:
    facts = {
        "openinference.span.kind": "RERANKER",
        "reranker.query": "Paris",
        "reranker.model_name": "rerank-v3.5",
        "reranker.input_documents.0.document.content": "Rome",
        "reranker.input_documents.1.document.content": "Paris",
        "reranker.output_documents.0.document.content": "Paris",
        "reranker.output_documents.0.document.score": 0.9,
    }
    run = only_run(span(facts))
    assert (run.type, run.request_model) == ("rerank", "rerank-v3.5")
    assert run.input == {"query": "Paris", "documents": [{"content": "Rome"}, {"content": "Paris"}]}
    assert run.output == [{"content": "Paris", "score": 0.9}]


def test_rerank_of_the_ai_sdk() -> None:
    facts = {
        "ai.operationId": "ai.rerank.doRerank",
        "ai.model.id": "rerank-v3.5",
        "ai.documents": ['"Rome"', '"Paris"'],
        "ai.ranking": ['{"originalIndex":1,"score":0.9}'],
    }
    run = only_run(span(facts))
    assert run.input == {"query": None, "documents": [{"content": "Rome"}, {"content": "Paris"}]}
    assert run.output == [{"id": "1", "content": "Paris", "score": 0.9}]


# --- tools offered ---------------------------------------------------------------------------------------------------

OFFERED = [{"name": "get_weather", "description": "d", "parameters": {"type": "object"}}]


@pytest.mark.parametrize(
    "facts",
    [
        {"gen_ai.tool.definitions":
         '[{"type":"function","name":"get_weather","description":"d","parameters":{"type":"object"}}]'},
        {"gen_ai.tool.definitions":
         [{"type": "function", "name": "get_weather", "description": "d", "parameters": {"type": "object"}}]},
        {"gen_ai.tool.definitions": '[{"name":"get_weather","description":"d","input_schema":{"type":"object"}}]'},
        {"llm.request.functions.0.name": "get_weather", "llm.request.functions.0.description": "d",
         "llm.request.functions.0.parameters": '{"type":"object"}'},
        {"llm.tools.0.tool.json_schema":
         '{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object"}}}'},
        {"ai.prompt.tools":
         ['{"type":"function","name":"get_weather","description":"d","inputSchema":{"type":"object"}}']},
        {"model_request_parameters": '{"function_tools":[{"name":"get_weather","description":"d",'
         '"parameters_json_schema":{"type":"object"}}],"output_tools":[]}'},
        {"request_data": '{"model":"m","tools":[{"type":"function","function":{"name":"get_weather","description":"d",'
         '"parameters":{"type":"object"}}}]}'},
        {"llm.invocation_parameters": '{"tools":[{"type":"function","function":{"name":"get_weather","description":"d",'
         '"parameters":{"type":"object"}}}]}'},
    ],
)  # fmt: skip
def test_tools_offered_to_the_model(facts: dict[str, Value]) -> None:
    assert only_run(chat(facts)).tools == OFFERED
