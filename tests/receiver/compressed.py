"""Compressed bodies for tests."""

from __future__ import annotations

import gzip
import zlib

import cramjam
import zstandard


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def gzip_bomb(mebibytes: int) -> bytes:
    """Zeros, about a thousandth of their size."""
    return gzip.compress(bytes(mebibytes << 20))


def zstd_bomb(mebibytes: int) -> bytes:
    """Zeros, about a thirty-thousandth of their size."""
    return zstandard.compress(bytes(mebibytes << 20))


def snappy_block(data: bytes) -> bytes:
    """One block, as Go's `snappy.Encode` makes it."""
    return bytes(cramjam.snappy.compress_raw(data))


def snappy_frames(data: bytes) -> bytes:
    """The framing format, as Go's `snappy.NewBufferedWriter` makes it."""
    return bytes(cramjam.snappy.compress(data))
