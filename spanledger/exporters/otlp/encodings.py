"""Content encodings of request bodies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import cramjam
import zstandard

_gzip: Any
try:
    from isal import igzip as _gzip  # two to three times as fast

    _LEVEL = 2
except ImportError:
    _gzip, _LEVEL = gzip, 6


def compressor(name: str, level: int = 0) -> Callable[[bytes], bytes] | None:
    """What makes bodies of a content encoding; None for `none` and nothing. `level` beyond 0 is not the default's."""
    if level <= 0:
        return _COMPRESSORS[name]
    match name:
        case "gzip":
            return partial(gzip.compress, compresslevel=level, mtime=0)
        case "zstd":
            return lambda body: zstandard.ZstdCompressor(level=level).compress(body)  # one of its own in each thread
        case _:
            return partial(zlib.compress, level=level)


def _in_gzip(body: bytes) -> bytes:
    return bytes(_gzip.compress(body, _LEVEL))


def _in_zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(body)


def _in_snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def _in_framed_snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress(body))


def _in_lz4(body: bytes) -> bytes:
    return bytes(cramjam.lz4.compress(body))


_COMPRESSORS: Final[dict[str, Callable[[bytes], bytes] | None]] = {
    "": None,
    "none": None,
    "gzip": _in_gzip,
    "deflate": zlib.compress,
    "zlib": zlib.compress,
    "zstd": _in_zstd,
    "snappy": _in_snappy,
    "x-snappy-framed": _in_framed_snappy,
    "lz4": _in_lz4,
}
