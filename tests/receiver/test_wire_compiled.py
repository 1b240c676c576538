"""The compiled decoder says what the plain one says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from spanledger.mapping import KEYS
from spanledger.mapping.facts import Facts
from spanledger.mapping.sizes import size_of_span
from spanledger.model.received import Signal
from spanledger.model.span import Span
from spanledger.receiver.wire import COMPILED, DEFAULT_LIMITS, Limits
from tests.fuzz.mutation import mutated
from tests.receiver.bodies import (
    field,
    log_record,
    logs,
    nested_arrays,
    raw_attribute,
    raw_traces,
    span,
    traces,
    varint,
)
from tests.receiver.both_decoders import assert_same, compiled_decoder, needs_compiled
from tests.receiver.generated import LOG_REQUESTS, TRACE_REQUESTS
from tests.receiver.tables import TABLE

pytestmark = needs_compiled

RECORDED = sorted((Path(__file__).parents[1] / "corpus").glob("*/*.pb"))
SHARED = Path(__file__).parents[3] / "shared" / "corpus"


def signal_of(path: Path) -> Signal:
    return Signal(path.name.split("-")[0])


def test_the_compiled_decoder_was_built() -> None:
    assert COMPILED


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recordings_of_each_family_decode_alike(path: Path) -> None:
    assert_same(signal_of(path), path.read_bytes())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded payloads (../shared/corpus) are not here")
def test_all_recorded_payloads_decode_alike() -> None:
    recorded = sorted(SHARED.glob("*/*/*/*.pb"))
    assert recorded
    for path in recorded:
        assert_same(signal_of(path), path.read_bytes(), hint=path)


@pytest.mark.parametrize(
    "path", [path for path in RECORDED if path.stem.startswith("traces")], ids=lambda path: path.parent.name
)
def test_spans_are_measured_on_the_way_as_they_would_be_afterwards(path: Path) -> None:
    """The plain decoder leaves it to the mapping, which looks at each value once more."""
    for item in compiled_decoder()(Signal.TRACES, path.read_bytes(), KEYS, DEFAULT_LIMITS).items:
        assert isinstance(item, Facts)
        measured, item.size = item.size, 0
        assert 0.7 < measured / size_of_span(item) < 1.4


# generated


@given(TRACE_REQUESTS)
def test_generated_traces_decode_alike(message: Message) -> None:
    assert_same(Signal.TRACES, message.SerializeToString())


@given(LOG_REQUESTS)
def test_generated_logs_decode_alike(message: Message) -> None:
    assert_same(Signal.LOGS, message.SerializeToString())


@given(TRACE_REQUESTS, st.integers(0, 3), st.integers(0, 40))
def test_limits_hold_alike(message: Message, max_depth: int, max_values: int) -> None:
    limits = Limits(max_depth=max_depth, max_values=max_values, max_items=4)
    assert_same(Signal.TRACES, message.SerializeToString(), limits=limits)


@given(st.binary(max_size=60))
def test_any_text_decodes_alike(content: bytes) -> None:
    raw = span().SerializeToString() + raw_attribute(b"k", field(1, content)) + raw_attribute(content, field(1, b"v"))
    assert_same(Signal.TRACES, raw_traces(raw))


@given(st.text(st.characters(), max_size=60), st.integers(0, 240), st.integers(0, 255))
def test_spoiled_text_decodes_alike(text: str, at: int, byte: int) -> None:
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    if at < len(content):
        content[at] = byte
    raw = span().SerializeToString() + raw_attribute(b"k", field(1, bytes(content)))
    assert_same(Signal.TRACES, raw_traces(raw))


@given(st.binary(max_size=80))
def test_a_span_of_any_bytes_decodes_alike(content: bytes) -> None:
    assert_same(Signal.TRACES, raw_traces(content))
    assert_same(Signal.TRACES, raw_traces(span().SerializeToString() + content))
    assert_same(Signal.TRACES, content)
    assert_same(Signal.LOGS, content)


def test_mutated_recordings_decode_alike() -> None:
    generator = random.Random(1)
    for path in RECORDED:
        body = path.read_bytes()[:20_000]
        for _ in range(6):
            assert_same(signal_of(path), mutated(body, generator), hint=path)


# picked by hand

GOOD = span("good").SerializeToString()
ODD_SPANS = {
    "wire type of a string is a varint": GOOD + b"\x28\x01",
    "wire type of an attribute is a varint": GOOD + b"\x48\x01",
    "unknown fields of every wire type": GOOD
    + varint(200 << 3)
    + b"\x01"
    + varint(201 << 3 | 1)
    + b"\0" * 8
    + field(202, b"\xff")
    + varint(203 << 3 | 5)
    + b"\0" * 4,
    "a group": GOOD + varint(200 << 3 | 3) + varint(200 << 3 | 4),
    "status twice": GOOD + field(15, field(2, b"one")) + field(15, b"\x18\x02"),
    "name twice": GOOD + field(5, b"again"),
    "attribute twice": GOOD + raw_attribute(b"k", field(1, b"one")) + raw_attribute(b"k", field(1, b"two")),
    "value of two kinds": GOOD + raw_attribute(b"k", field(1, b"one") + b"\x18\x07"),
    "value given twice": GOOD + field(9, field(1, b"k") + field(2, field(1, b"one")) + field(2, b"\x18\x07")),
    "key given twice": GOOD + field(9, field(1, b"a") + field(1, b"b") + field(2, field(1, b"one"))),
    "key behind the value": GOOD + field(9, field(2, field(1, b"one")) + field(1, b"k")),
    "no value": GOOD + field(9, field(1, b"k")),
    "bool of a long varint": GOOD + raw_attribute(b"k", b"\x10\x80\x80\x01"),
    "varint of eleven bytes": GOOD + raw_attribute(b"k", b"\x18" + b"\xff" * 10 + b"\x01"),
    "varint over 64 bits": GOOD + raw_attribute(b"k", b"\x18" + b"\xff" * 9 + b"\x7f"),
    "enumeration over 32 bits": GOOD + b"\x30" + varint((1 << 32) + 3),
    "count over 32 bits": GOOD + b"\x50" + varint((1 << 33) + 3),
    "length beyond the end": GOOD + b"\x4a\x7f\x0a",
    "length beyond 63 bits": GOOD + b"\x4a" + b"\xff" * 9 + b"\x01",
    "tag beyond 32 bits": GOOD + b"\xca\x80\x80\x80\x80\x01\x00",
    "deep": GOOD + raw_attribute(b"k", nested_arrays(64)),
    "too deep": GOOD + raw_attribute(b"k", nested_arrays(65)),
    "far too deep": GOOD + raw_attribute(b"k", nested_arrays(5000)),
    "overlong text": GOOD + raw_attribute(b"k", field(1, b"\xc0\x80\xe0\x80\x80\xf0\x80\x80\x80")),
    "surrogates as text": GOOD + raw_attribute(b"k", field(1, b"\xed\xa0\x80")),
    "beyond Unicode": GOOD + raw_attribute(b"k", field(1, b"\xf4\x90\x80\x80")),
    "continuations only": GOOD + raw_attribute(b"k", field(1, b"\x80" * 64)),
    "spoiled text that nobody reads": GOOD + field(13, field(1, b"t" * 16) + field(2, b"s" * 8) + field(3, b"\xff")),
    "own parent": span(parent_span_id=bytes.fromhex("00f067aa0ba902b7")).SerializeToString(),
    "a log record": log_record("event").SerializeToString(),
    "empty": b"",
}


@pytest.mark.parametrize("raw", ODD_SPANS.values(), ids=ODD_SPANS)
def test_odd_spans_decode_alike(raw: bytes) -> None:
    assert_same(Signal.TRACES, raw_traces(GOOD, raw, GOOD))


@pytest.mark.parametrize(
    "group",
    [
        field(1, field(1, field(1, b"a") + field(2, field(1, b"b")))) * 2 + field(2, field(2, GOOD)),
        field(2, field(2, GOOD)) + field(1, field(1, field(1, b"a") + field(2, field(1, b"b")))),
        field(1, field(1, field(1, b"\xff") + field(2, field(1, b"\xff")))) + field(2, field(2, GOOD)),
        field(1, field(1, field(1, b"deep") + field(2, nested_arrays(80)))) + field(2, field(2, GOOD)),
        field(1, field(3, field(1, b"\xff"))) + field(2, field(2, GOOD)),
        field(2, field(1, field(1, b"\xff")) + field(2, GOOD)),
        field(2, field(1, field(1, b"a")) * 2 + field(2, GOOD)),
        field(2, field(2, GOOD) + field(3, b"\xff")),
        field(2, field(2, GOOD)) + b"\x13\x14",
        b"\x08\x01\x10\x01" + field(2, b"\x08\x01\x10\x01" + field(2, GOOD)),
        field(2, b""),
        b"\x0a",
    ],
)
def test_odd_groups_decode_alike(group: bytes) -> None:
    assert_same(Signal.TRACES, field(1, group) + traces(span("last")))
    assert_same(Signal.LOGS, field(1, group) + logs(log_record("last")))


def test_more_keys_than_are_remembered_decode_alike() -> None:
    attributes = {f"key {number}": number for number in range(20_000)}
    for _ in range(2):
        assert_same(Signal.TRACES, traces(span(attributes=attributes)))


def test_tables_are_kept_apart() -> None:
    body = traces(span(attributes={"gen_ai.request.model": "a", "gen_ai.prompt.0.role": "user", "llm.model_name": "b"}))
    for table in (TABLE, KEYS, TABLE):
        assert_same(Signal.TRACES, body, table)


def test_items_own_what_can_be_changed() -> None:
    first, second = compiled_decoder()(Signal.TRACES, traces(span(), span()), KEYS, DEFAULT_LIMITS).items
    assert isinstance(first, Span)
    assert isinstance(second, Span)
    assert first.resource is second.resource
    for name in ("events", "links", "rest", "repairs"):
        assert getattr(first, name) is not getattr(second, name)
