"""Export requests of any content, for hypothesis."""

from __future__ import annotations

from google.protobuf.message import Message
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from spanledger.mapping import KEYS

SOME_KEYS = st.sampled_from(
    [
        *sorted(KEYS.keys)[::12],
        *(prefix + "0.role" for prefix, _ in KEYS.prefixes[::3]),
        "gen_ai.usage.input_tokens",
        "ai.usage.inputTokens",
        "llm.usage.prompt_tokens",
        "",
        "naïve",
        "x" * 300,
    ]
) | st.text(max_size=12)
SCALARS = (
    st.builds(AnyValue)
    | st.builds(AnyValue, string_value=st.text(max_size=20) | st.sampled_from(["none", "unknown", "", "gpt-4o"]))
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-2, 2))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=8))
    | st.builds(AnyValue, string_value_strindex=st.integers(0, 5))
)


def pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[KeyValue]:
    return st.builds(KeyValue, key=SOME_KEYS, value=values)


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=3)))
        | st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=st.lists(pairs(inner), max_size=3)))
    ),
    max_leaves=6,
)
ATTRIBUTES = st.lists(pairs(VALUES) | st.builds(KeyValue, key=SOME_KEYS), max_size=8)
TIMES = st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 1, 1_760_000_000_000, 10**16 - 1, 10**16, 10**18])
TRACE_IDS = st.binary(min_size=16, max_size=16) | st.sampled_from([b"", bytes(16), b"x" * 15, b"0" * 32])
SPAN_IDS = st.sampled_from([b"", bytes(8), b"x" * 7, b"abcdefgh", b"0" * 16]) | st.binary(min_size=8, max_size=8)
COUNTS = st.integers(0, (1 << 32) - 1)
ENUMS = st.integers(-2, 8) | st.integers(-(1 << 31), (1 << 31) - 1)
MESSAGES = {
    "spans": st.fixed_dictionaries(
        {"trace_id": TRACE_IDS, "span_id": SPAN_IDS},
        optional={
            "parent_span_id": SPAN_IDS,
            "name": st.text(max_size=12),
            "trace_state": st.text(max_size=6),
            "kind": ENUMS,
            "flags": COUNTS,
            "start_time_unix_nano": TIMES,
            "end_time_unix_nano": TIMES,
            "attributes": ATTRIBUTES,
            "dropped_attributes_count": COUNTS,
            "dropped_events_count": COUNTS,
            "events": st.lists(
                st.fixed_dictionaries({"name": st.text(max_size=6), "time_unix_nano": TIMES, "attributes": ATTRIBUTES}),
                max_size=2,
            ),
            "links": st.lists(
                st.fixed_dictionaries({"trace_id": TRACE_IDS, "span_id": SPAN_IDS, "attributes": ATTRIBUTES}),
                max_size=2,
            ),
            "status": st.fixed_dictionaries({"code": ENUMS, "message": st.text(max_size=6)}),
        },
    ),
    "log_records": st.fixed_dictionaries(
        {},
        optional={
            "time_unix_nano": TIMES,
            "observed_time_unix_nano": TIMES,
            "severity_number": ENUMS,
            "severity_text": st.text(max_size=6),
            "body": VALUES,
            "attributes": ATTRIBUTES,
            "trace_id": TRACE_IDS,
            "span_id": SPAN_IDS,
            "event_name": st.text(max_size=6),
        },
    ),
}


SCOPES = st.fixed_dictionaries({"name": st.text(max_size=4), "attributes": ATTRIBUTES})


def request(resource: str, scope: str, items: str, message: type[Message]) -> st.SearchStrategy[Message]:
    return st.builds(
        message,
        **{
            resource: st.lists(
                st.fixed_dictionaries(
                    {
                        "resource": st.fixed_dictionaries({"attributes": ATTRIBUTES}),
                        scope: st.lists(
                            st.fixed_dictionaries(
                                {
                                    "scope": st.fixed_dictionaries(
                                        {"name": st.text(max_size=4), "attributes": ATTRIBUTES}
                                    ),
                                    items: st.lists(MESSAGES[items], max_size=3),
                                }
                            ),
                            max_size=2,
                        ),
                    }
                ),
                max_size=2,
            )
        },
    )


TRACE_REQUESTS = request("resource_spans", "scope_spans", "spans", ExportTraceServiceRequest)
LOG_REQUESTS = request("resource_logs", "scope_logs", "log_records", ExportLogsServiceRequest)
