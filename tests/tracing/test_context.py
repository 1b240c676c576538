"""What headers of a request say about its span, and which spans are recorded."""

from __future__ import annotations

import pytest

from spanledger.tracing import Sampler, SpanContext, Tracer, current_span
from spanledger.tracing.context import EXTRACT, Propagator
from spanledger.tracing.span import Span

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled=True, remote=True)
UNSAMPLED = SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled=False, remote=True)


@pytest.mark.parametrize(
    ("propagator", "headers", "expected"),
    [
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-01"}, SAMPLED),
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-00"}, UNSAMPLED),
        ("tracecontext", {"traceparent": f"cc-{TRACE}-{SPAN}-01-of-the-future"}, SAMPLED),
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-01-more"}, None),
        ("tracecontext", {"traceparent": f"ff-{TRACE}-{SPAN}-01"}, None),
        ("tracecontext", {"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None),
        ("tracecontext", {"traceparent": f"00-{TRACE.upper()}-{SPAN}-01"}, None),
        ("tracecontext", {"traceparent": ""}, None),
        ("tracecontext", {}, None),
        ("b3", {"b3": f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"}, SAMPLED),
        ("b3", {"b3": f"{TRACE}-{SPAN}-d"}, SAMPLED),
        ("b3", {"b3": f"{TRACE}-{SPAN}-0"}, UNSAMPLED),
        ("b3", {"b3": "0"}, None),
        ("b3", {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}, SAMPLED),
        ("b3", {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-flags": "1"}, SAMPLED),
        ("b3", {"x-b3-traceid": TRACE, "x-b3-spanid": "no"}, None),
    ],
)
def test_headers(propagator: Propagator, headers: dict[str, str], expected: SpanContext | None) -> None:
    assert EXTRACT[propagator](headers) == expected


def test_a_short_trace_id_of_b3_is_filled_up() -> None:
    context = EXTRACT["b3"]({"b3": f"{TRACE[:16]}-{SPAN}-1"})
    assert context is not None
    assert context.trace_id.hex() == "0" * 16 + TRACE[:16]


def test_a_ratio_decides_by_the_trace_id() -> None:
    low, high = bytes(15) + b"\x01", b"\xff" * 16
    assert [Sampler(0.5).samples(trace, None) for trace in (low, high)] == [True, False]
    assert [Sampler(1.0).samples(trace, None) for trace in (low, high)] == [True, True]
    assert [Sampler(0.0).samples(trace, None) for trace in (low, high)] == [False, False]


def test_what_a_parent_decided_holds_where_it_is_followed() -> None:
    assert Sampler(0.0).samples(SAMPLED.trace_id, SAMPLED)
    assert not Sampler(1.0).samples(UNSAMPLED.trace_id, UNSAMPLED)
    assert Sampler(1.0, follows_parent=False).samples(UNSAMPLED.trace_id, UNSAMPLED)


def test_what_leaves_a_span_is_its_error_and_what_begins_inside_belongs_to_it() -> None:
    ended: list[Span] = []
    tracer = Tracer()
    tracer.use(ended.append, Sampler(), [])
    with pytest.raises(ValueError, match="no"), tracer.request("outer", {}) as outer, tracer.span("inner"):
        raise ValueError("no")
    inner = ended[0]
    assert (inner.parent_id, inner.error) == (outer.context.span_id, "ValueError: no")
    assert [span.name for span in ended] == ["inner", "outer"]
    assert not current_span().recorded


def test_of_endless_retries_the_first_and_the_last_are_kept() -> None:
    ended: list[Span] = []
    tracer = Tracer()
    tracer.use(ended.append, Sampler(), [])
    with tracer.span("export") as span:
        for attempt in range(1000):
            span.event("retry", attempt=attempt)
    (span,) = ended
    assert [attributes["attempt"] for _, _, attributes in span.events[-2:]] == [126, 999]
    assert (len(span.events), span.dropped) == (128, 872)
