"""Header blocks of HTTP/2."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.receiver.http2.frames import Violation
from spanledger.receiver.http2.headers import HeaderBlocks, TooLarge, field, status

CALL = [(b":method", b"POST"), (b":path", b"/service/Export"), (b"te", b"trailers"), (b"authorization", b"Bearer k")]
names = st.binary(min_size=1, max_size=20) | st.sampled_from([b":path", b"te", b"x-a", b"x-b", b"grpc-timeout"])
fields = st.lists(st.tuples(names, st.binary(max_size=300), st.booleans()), max_size=12)


def blocks(max_size: int = 1 << 16) -> HeaderBlocks[str]:
    return HeaderBlocks(max_size)


@given(st.lists(st.tuples(fields, st.booleans(), st.none() | st.integers(0, 4096)), max_size=6))
def test_every_block_means_what_the_package_says(sent: list[tuple[list[tuple[bytes, bytes, bool]], bool, int]]) -> None:
    encoder, ours, theirs = hpack.Encoder(), blocks(), hpack.Decoder(1 << 16)
    for heads, huffman, size in sent:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(heads, huffman=huffman)
        expected = [tuple(one) for one in theirs.decode(block, raw=True)]
        assert ours.read(block) == expected == [(name, value) for name, value, _ in heads]


@given(st.binary(max_size=200))
def test_what_is_no_hpack_is_a_violation(block: bytes) -> None:
    ours, theirs = blocks(), hpack.Decoder(1 << 16)
    try:
        expected = [tuple(one) for one in theirs.decode(block, raw=True)]
    except hpack.HPACKError:
        with pytest.raises(Violation):
            ours.read(block)
        return
    assert ours.read(block) == expected


def test_a_block_that_leaves_the_table_is_remembered() -> None:
    encoder, ours = hpack.Encoder(), blocks()
    opening = encoder.encode(CALL)
    ours.read(opening)
    ours.remember(opening, "not this one")
    assert ours.known(opening) is None
    usual = encoder.encode(CALL)
    assert ours.read(usual) == CALL
    ours.remember(usual, "this one")
    assert ours.known(usual) == "this one"


def test_what_is_remembered_is_forgotten_with_the_table() -> None:
    encoder, ours = hpack.Encoder(), blocks()
    ours.read(encoder.encode(CALL))
    usual = encoder.encode(CALL)
    ours.read(usual)
    ours.remember(usual, "POST")
    ours.read(encoder.encode([(b"x-new", b"1")]))
    assert ours.known(usual) is None
    assert ours.read(usual) != CALL, "the same bytes mean something else now"


@pytest.mark.parametrize("change", [b"\x20", b"\x40\x01a\x01b", b"\x3f\xe0\x1f"])
def test_a_change_of_the_table_alone_counts_too(change: bytes) -> None:
    ours = blocks()
    ours.read(b"\x82")
    ours.remember(b"\x82", "GET")
    assert ours.known(b"\x82") == "GET"
    ours.read(change)
    assert ours.known(b"\x82") is None


def test_few_blocks_are_remembered() -> None:
    ours = blocks()
    kept = [b"\x00\x01a\x01%c" % number for number in range(100)]
    for block in kept:
        ours.read(block)
        ours.remember(block, "x")
    assert sum(ours.known(block) is not None for block in kept) <= 16


def test_a_block_that_unfolds_to_more_than_allowed_is_not_read_on() -> None:
    ours = blocks(10_000)
    ours.read(b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000)
    with pytest.raises(TooLarge):
        ours.read(b"\xbe" * 3)


def test_an_integer_without_end_is_a_violation() -> None:
    with pytest.raises(Violation, match="an integer that is too long"):
        blocks().read(b"\xff" * 100)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=20_000)), max_size=4))
def test_answers_can_be_read(told: list[tuple[bytes, bytes]]) -> None:
    block = status(200) + b"".join(field(name, value) for name, value in told)
    found = [tuple(one) for one in hpack.Decoder(1 << 20).decode(block, raw=True)]
    assert found == [(b":status", b"200"), *told]


def test_another_status_can_be_read() -> None:
    assert list(hpack.Decoder().decode(status(415), raw=True)) == [(b":status", b"415")]
