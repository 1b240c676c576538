"""Hypothesis strategies: spans, log records and data points whose attributes hold what nobody should send."""

from __future__ import annotations

from hypothesis import strategies as st

from spanledger.mapping import KEYS
from spanledger.mapping.dialects import DIALECTS, EVENT_TABLES, KIND_SIGNALS, SCOPES
from spanledger.mapping.facts import Facts
from spanledger.mapping.merge import SUPPLEMENTS
from spanledger.model.received import Item
from spanledger.model.span import Event, Value
from tests.mapping.build import event, log, point, span

SUFFIXES = (
    "", "x", "0", "0.role", "0.content", "0.message.role", "0.message.content", "0.tool_calls.0.arguments", "²",
    "0.document.content", "0.embedding.vector", "0.annotation.name", "0.annotation.score", "²0.annotation.name",
    "99999999999999999999.role", "0.prompt.text", "a.b.c", "user_id", "tags", "-1.role",
)  # fmt: skip
TEXTS = [
    "", " ", "x", "true", "None", "null", "-1", "12", "12.5", "1e400", "1e999999999", "1e-999999999", "NaN", "inf", "²",
    "٣", "1" * 5000, "gpt-4o", "openai", "a.b.c.d.chat", "fallback:" * 12, "tool_use", "error", "[DONE]", "[]", "{}",
    "[", "{", '"', '"\\"', '[{"role":"user","content":"Hi"}]', '[{"role":"user"', '{"usage":{"input_tokens":1e400}}',
    '{"usage":{"input_tokens":-5,"output_tokens":"7"}}', '{"input":1,"total":"x"}', "{'a': None}", "\x00", "\ufffd",
    '"\\ud83d"', '{"a":"\\ud83d"}', "2026-03-01T10:00:00Z", '"2026-03-01"', "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "[" * 500, '{"a":' * 500, '{"config":' * 60 + "1" + "}" * 60, "data:image/png;base64,",
    '{"id":' + "1" * 5000 + "}", "arn:aws:bedrock:", "models/", "projects/p/models/", "https://[::1", "://:/@",
    '{"messages":[{"role":"tool","tool_call_id":"c1","content":"rain"}],"model":["x"],"tools":[null]}', "🦑" * 50,
    '{"choices":[{"message":{"tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{"}}]}}],"id":7}',
    '{"prompt_tokens":10,"completion_tokens":5,"cache_read_input_tokens":80,"reasoning_tokens":9,"total_tokens":1}',
]  # fmt: skip
KINDS = sorted({value for _, kinds in KIND_SIGNALS for value in kinds.values})
OTHERS: list[Value] = [
    None, True, False, 0, 1, -1, 56, 2**53, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, float("nan"), float("inf"), b"",
    b"\xff\xfe", b'{"model":"gpt-4o"}', [], [None], ["x"], ["x", 1, None, {}], [[["x"]]], {}, {"": ""}, {"model": 1},
    {"role": None, "content": []}, [{"role": "user", "content": {"a": "b"}}], [{"id": 1, "name": [], "args": b"x"}],
    {"input": {"output": {"input": ["x"]}}}, {"usage": {"input_tokens": True}}, {"tags": {"a": 1}, "user_id": ["x"]},
    [0.1] * 50, [{"document": {"content": 1, "score": "x"}}], {"args": [], "kwargs": {}}, {"args": [None]}, {"lc": 1},
]  # fmt: skip

values = st.sampled_from([*TEXTS, *OTHERS, *KINDS])
keys = st.sampled_from(
    [*KEYS.keys, *(prefix + suffix for prefix, _ in KEYS.prefixes for suffix in SUFFIXES), "unknown.key", "", "lunary"]
)
attributes = st.dictionaries(keys, values, max_size=10)
names = st.sampled_from(
    ["", "x", "chat gpt-4o", "execute_tool x", "ai.generateText", "raw_gen_ai_request", "a.b.task", "n" * 400]
)
scopes = st.sampled_from(["", *(scope for scope, _ in SCOPES), "s" * 400])
event_names = st.sampled_from(
    ["exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.evaluation.result", "ai.stream.firstChunk", "other",
     "db.query.result", *sorted(SUPPLEMENTS), *EVENT_TABLES]
)  # fmt: skip
event_keys = st.sampled_from(
    ["body", "content", "exception.type", "exception.message", "gen_ai.evaluation.name", "gen_ai.prompt", "message",
     "gen_ai.evaluation.score.value", "gen_ai.completion", "gen_ai.response.id", "gen_ai.input.messages", "id", "x",
     *(key for dialect in DIALECTS for table in dialect.events.values() for key in table)]
)  # fmt: skip
event_attributes = st.dictionaries(event_keys, values, max_size=4)
ids = st.integers(1, 4)
times = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3600.0])


@st.composite
def events(draw: st.DrawFn) -> Event:
    return event(draw(event_names), draw(event_attributes), time=draw(times))


@st.composite
def spans(draw: st.DrawFn) -> Facts:
    return span(
        draw(attributes),
        name=draw(names),
        id=draw(ids),
        parent=draw(st.none() | ids),
        trace=draw(st.integers(1, 2)),
        scope=draw(scopes),
        start=draw(times),
        end=draw(st.none() | times),
        kind=draw(st.sampled_from(["internal", "server", "client"])),
        status=draw(st.sampled_from(["unset", "ok", "error"])),
        message=draw(st.sampled_from(["", "AbortError", "boom"])),
        events=draw(st.lists(events(), max_size=2)),
        links=draw(st.lists(st.tuples(ids, ids), max_size=2)),
        resource=draw(st.dictionaries(st.sampled_from(["service.name", "user.id", "session.id"]), values, max_size=2)),
    )


@st.composite
def log_records(draw: st.DrawFn) -> Item:
    return log(
        draw(event_names | st.just("")),
        draw(st.dictionaries(event_keys | st.just("event.name"), values, max_size=4)),
        body=draw(values),
        span=draw(st.none() | ids),
        trace=draw(st.none() | st.integers(1, 2)),
    )


@st.composite
def metric_points(draw: st.DrawFn) -> Item:
    name = draw(st.sampled_from(["gen_ai.client.token.usage", "x"]))
    return point(name, draw(st.dictionaries(keys, values, max_size=3)))


requests: st.SearchStrategy[list[Item]] = st.lists(spans() | log_records() | metric_points(), max_size=5)


ingest_events = st.fixed_dictionaries(
    {"event": st.sampled_from(["start", "end", "error", "update", "chat", "feedback", "custom-event", 7])},
    optional={
        "type": st.sampled_from(["llm", "embed", "tool", "agent", "chain", "retriever", "message", "thread", None]),
        "runId": st.sampled_from(["a", "b", "c", "8a7f3c1e-0000-4000-8000-000000000001", 7, ""]),
        "parentRunId": st.sampled_from(["a", "b", "c", "d", None]),
        "timestamp": values,
        **dict.fromkeys(
            ("input", "output", "name", "tokensUsage", "metadata", "params", "extra", "error", "message", "feedback",
             "tags", "userId", "userProps", "threadTags", "threadMetadata", "templateId"),
            values,
        ),
    },
)  # fmt: skip
