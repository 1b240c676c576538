"""Content encodings of request bodies."""

from __future__ import annotations

import gzip
import random
import zlib

import lz4.frame
import pytest
import zstandard

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.receiver.compression import COMPRESSIONS, BodyReader
from tests.receiver.compressed import gzip_bomb, raw_deflate, snappy_block, snappy_frames, zstd_bomb

DATA = random.Random(7).randbytes(20_000) + b"telemetry " * 5_000
ALL = "deflate, gzip, identity, lz4, snappy, x-snappy-framed, zlib, zstd"
SNAPPY_FRAMES = b"\xff\x06\x00\x00sNaPpY"


def read(
    encoding: str,
    body: bytes,
    *,
    piece: int = 1 << 16,
    received: int = 1 << 20,
    decompressed: int = 1 << 20,
    allowed: frozenset[str] = COMPRESSIONS,
) -> bytes:
    reader = BodyReader(encoding, received, decompressed, allowed)
    for at in range(0, len(body), piece):
        reader.feed(body[at : at + piece])
    return reader.finish()


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(DATA)),
        ("x-gzip", gzip.compress(DATA)),
        ("GZIP ", gzip.compress(DATA)),
        ("deflate", zlib.compress(DATA)),
        ("zlib", zlib.compress(DATA)),
        ("deflate", raw_deflate(DATA)),
        ("zstd", zstandard.compress(DATA)),
        ("snappy", snappy_block(DATA)),
        ("snappy", snappy_frames(DATA)),
        ("x-snappy-framed", snappy_frames(DATA)),
        ("lz4", lz4.frame.compress(DATA)),
        ("identity", DATA),
        ("", DATA),
    ],
    ids=[
        *("gzip", "x-gzip", "GZIP", "deflate", "zlib", "bare deflate", "zstd"),
        *("snappy block", "snappy frames", "x-snappy-framed", "lz4", "identity", "none"),
    ],
)
def test_a_body_comes_out_as_it_went_in(encoding: str, body: bytes, piece: int) -> None:
    assert read(encoding, body, piece=piece) == DATA


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_a_body_that_was_decompressed_on_its_way_is_recognised(piece: int) -> None:
    assert read("gzip", DATA, piece=piece) == DATA


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_gzip_is_recognised_without_its_header(piece: int) -> None:
    assert read("", gzip.compress(DATA), piece=piece) == DATA


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4.frame.compress),
        ("snappy", snappy_frames),
    ],
)
def test_a_body_may_have_several_members(encoding: str, compress: object, piece: int) -> None:
    assert callable(compress)
    assert read(encoding, compress(b"one ") + compress(b"two"), piece=piece) == b"one two"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "snappy", "lz4", ""])
def test_an_empty_body_is_empty(encoding: str) -> None:
    assert read(encoding, b"") == b""


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip_bomb(64)),
        ("", gzip_bomb(64)),
        ("deflate", zlib.compress(bytes(64 << 20))),
        ("zstd", zstd_bomb(64)),
        ("gzip", b"".join([gzip.compress(bytes(1 << 16))] * 100)),
        ("snappy", snappy_block(bytes(8 << 20))),
        ("snappy", snappy_frames(bytes(8 << 20))),
        ("lz4", lz4.frame.compress(bytes(64 << 20))),
    ],
    ids=[
        *("gzip", "gzip without header", "deflate", "zstd", "many members"),
        *("snappy block", "snappy frames", "lz4"),
    ],
)
def test_a_bomb_is_cut_off(encoding: str, body: bytes) -> None:
    with pytest.raises(PayloadTooLarge, match=r"^the decompressed request body is larger than 1048576 bytes$"):
        read(encoding, body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_cut_off_after_its_first_piece(encoding: str) -> None:
    bomb = {"gzip": gzip_bomb(64), "deflate": zlib.compress(bytes(64 << 20)), "zstd": zstd_bomb(64)}[encoding]
    reader = BodyReader(encoding, 1 << 20, 1 << 20, COMPRESSIONS)
    with pytest.raises(PayloadTooLarge):
        reader.feed(bomb[: len(bomb) // 2])


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    exactly = bytes(1 << 20)
    assert read("", exactly) == exactly
    assert read("gzip", gzip.compress(exactly)) == exactly
    assert read("zstd", zstandard.compress(exactly)) == exactly
    assert read("snappy", snappy_block(exactly)) == exactly
    assert read("snappy", snappy_frames(exactly)) == exactly
    assert read("lz4", lz4.frame.compress(exactly)) == exactly


def test_a_body_over_the_limit_is_refused_as_it_arrives() -> None:
    with pytest.raises(PayloadTooLarge, match=r"^the request body is larger than 10 bytes$"):
        read("gzip", gzip.compress(DATA), received=10)


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("gzip", gzip.compress(DATA)[:-9], "the body is not valid gzip: it ends too early"),
        ("gzip", gzip.compress(DATA) + b"rest", "the body is not valid gzip: it does not start like gzip"),
        ("deflate", zlib.compress(DATA)[:-5], "the body is not valid deflate: it ends too early"),
        ("zstd", zstandard.compress(DATA)[:-1], "the body is not valid zstd: it ends too early"),
        ("lz4", lz4.frame.compress(DATA)[:-1], "the body is not valid lz4: it ends too early"),
        (
            "lz4",
            b"not lz4 at all",
            "the body is not valid lz4: LZ4F_decompress failed with code: ERROR_frameType_unknown",
        ),
        ("snappy", snappy_block(DATA)[:-1], None),
        ("snappy", snappy_frames(DATA)[:-1], "the body is not valid snappy: it ends too early"),
        ("snappy", snappy_frames(DATA)[:-1] + b"x", None),
        ("snappy", SNAPPY_FRAMES + b"\x00\xff\xff\xff", "the body is not valid snappy: a chunk is too large"),
        ("snappy", b"\xff" * 20, None),
        ("zstd", b"not zstd", "the body is not valid zstd: zstd decompressor error: Unknown frame descriptor"),
        ("br", b"", f"unsupported Content-Encoding: 'br', supported are {ALL}"),
        (
            "gzip, gzip",
            b"",
            f"unsupported Content-Encoding: 'gzip, gzip', supported are {ALL}",
        ),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(encoding: str, body: bytes, message: str | None) -> None:
    with pytest.raises(PayloadError) as refused:
        read(encoding, body)
    expected = message or f"the body is not valid {encoding}: snappy: corrupt input ("
    assert str(refused.value) == expected or (message is None and str(refused.value).startswith(expected))


def test_a_damaged_gzip_body_is_refused() -> None:
    body = bytearray(gzip.compress(DATA))
    body[len(body) // 2] ^= 0xFF
    with pytest.raises(PayloadError, match=r"^the body is not valid gzip: "):
        read("gzip", bytes(body))


@pytest.mark.parametrize(
    ("encoding", "empty"),
    [
        ("gzip", gzip.compress(b"")),
        ("zstd", zstandard.compress(b"")),
        ("lz4", lz4.frame.compress(b"")),
        ("snappy", SNAPPY_FRAMES),
    ],
)
def test_a_body_of_very_many_empty_members_is_refused(encoding: str, empty: bytes) -> None:
    with pytest.raises(PayloadError, match=r"it has too many (members|frames|chunks)$"):
        read(encoding, empty * 20_000)


def test_only_allowed_encodings_are_taken() -> None:
    with pytest.raises(PayloadError, match=r"^unsupported Content-Encoding: 'gzip', supported are identity, zstd$"):
        read("gzip", gzip.compress(DATA), allowed=frozenset({"zstd"}))
