"""What is made of the fields of a call's head."""

from __future__ import annotations

import pytest

from spanledger.model.received import Signal
from spanledger.receiver.grpc_head import Heads
from spanledger.receiver.http2 import Malformed
from spanledger.receiver.status import Code
from tests.receiver.servers import LOGS_SERVICE, TRACE_SERVICE

Pair = tuple[bytes, bytes]
USUAL: list[Pair] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", TRACE_SERVICE.encode()),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc+proto"),
    (b"te", b"trailers"),
]


def replaced(name: bytes, value: bytes) -> list[Pair]:
    return [(name, value) if one == name else (one, old) for one, old in USUAL]


def without(name: bytes) -> list[Pair]:
    return [pair for pair in USUAL if pair[0] != name]


def test_a_call() -> None:
    head = Heads().read([*USUAL, (b"authorization", b"Bearer k"), (b"x-bin", b"AAA"), (b"grpc-encoding", b"gzip")])
    assert (head.signal, head.encoding, head.timeout, head.failure, head.http) == (Signal.TRACES, "gzip", None, None, 0)
    assert head.metadata["authorization"] == "Bearer k"
    assert not {"x-bin", ":path"} & set(head.metadata)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Heads().read([*USUAL, (b"authorization", b"Bearer secret")]))


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"2H", 7200.0), (b"1M", 60.0), (b"10S", 10.0), (b"5m", 0.005), (b"9u", 9e-6), (b"7n", 7e-9)]
)
def test_deadlines(text: bytes, seconds: float) -> None:
    heads = Heads()
    for _ in range(2):
        head = heads.read([*USUAL, (b"grpc-timeout", text), (b"authorization", b"Bearer k")])
        assert head.timeout == pytest.approx(seconds)
        assert head.metadata == {
            "content-type": "application/grpc+proto",
            "te": "trailers",
            "authorization": "Bearer k",
        }


def test_a_deadline_is_of_one_call() -> None:
    heads = Heads()
    assert heads.read([*USUAL, (b"grpc-timeout", b"1S")]).timeout == 1
    assert heads.read([*USUAL, (b"grpc-timeout", b"2S")]).timeout == 2
    assert heads.read(USUAL).timeout is None
    wrong = heads.read([*USUAL, (b"grpc-timeout", b"123456789S")]).failure
    assert wrong is not None
    assert wrong.code is Code.INTERNAL
    assert heads.read([*USUAL, (b"grpc-timeout", b"3S")]).failure is None


def test_heads_that_differ_are_told_apart() -> None:
    heads = Heads()
    for path, signal in ((TRACE_SERVICE, Signal.TRACES), (LOGS_SERVICE, Signal.LOGS)):
        head = heads.read([*replaced(b":path", path.encode()), (b"grpc-timeout", b"1S")])
        assert (head.signal, head.failure) == (signal, None)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        without(b":method"),
        without(b":scheme"),
        without(b":path"),
        replaced(b":path", b""),
        replaced(b"te", b"gzip"),
        [*USUAL, (b":path", b"/")],
        [*USUAL, (b"X-Upper", b"1")],
        [*USUAL, (b"", b"1")],
        [*USUAL, (b"connection", b"close")],
        [*USUAL, (b"x-a", b"line\r\nbreak")],
        [*USUAL, (b"x-a", b" space before")],
        [*USUAL, (b"x-a", b"\x00")],
        [*USUAL, (b"content-length", b"-1")],
        [(b"grpc-timeout", b"1S"), *USUAL],
        [(b":status", b"200"), *USUAL],
        [*USUAL[:2], (b"grpc-timeout", b"1S"), *USUAL[2:]],
    ],
)
def test_what_http_forbids(fields: list[Pair]) -> None:
    with pytest.raises(Malformed):
        Heads().read(fields)


def test_an_unknown_method() -> None:
    wrong = Heads().read([*replaced(b":path", b"/a.B/C"), (b"grpc-timeout", b"1S")]).failure
    assert wrong is not None
    assert wrong.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("content_type", "http"),
    [
        (b"application/grpc", 0),
        (b"application/grpc;charset=utf-8", 0),
        (b"Application/GRPC+proto", 0),
        (b"application/grpc-web", 415),
        (b"application/x-protobuf", 415),
        (b"", 415),
    ],
)
def test_content_types(content_type: bytes, http: int) -> None:
    assert Heads().read(replaced(b"content-type", content_type)).http == http
