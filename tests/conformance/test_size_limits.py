"""64 MiB by default, before and after decompression, whatever the compression; over it 413, or RESOURCE_EXHAUSTED."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import grpc
import lz4.frame
import pytest
import zstandard

from tests.conformance.otlp_client import Served, serving
from tests.receiver.bodies import span, traces
from tests.receiver.compressed import snappy_block, snappy_frames

LIMIT = 64 << 20
COMPRESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", lambda data: gzip.compress(data, 1)),
    "deflate": ("deflate", lambda data: zlib.compress(data, 1)),
    "zlib": ("zlib", lambda data: zlib.compress(data, 1)),
    "zstd": ("zstd", zstandard.compress),
    "snappy block": ("snappy", snappy_block),
    "snappy frames": ("snappy", snappy_frames),
    "x-snappy-framed": ("x-snappy-framed", snappy_frames),
    "lz4": ("lz4", lz4.frame.compress),
}


@pytest.mark.parametrize("compression", COMPRESS)
async def test_every_compression_of_senders_is_undone(served: Served, compression: str) -> None:
    name, compress = COMPRESS[compression]
    body = traces(span("compressed", {"text": "x" * 100_000}))
    assert (await served.http(compress(body), Content_Encoding=name)).code == 200
    assert served.memory.received[0].body == body


@pytest.mark.parametrize("compression", COMPRESS)
async def test_a_body_that_unfolds_beyond_the_limit_is_a_413(served: Served, compression: str) -> None:
    name, compress = COMPRESS[compression]
    answer = await served.http(compress(bytes(LIMIT + 1)), Content_Encoding=name)
    assert (answer.code, answer.status.code) == (413, 8)
    assert answer.status.message == f"the decompressed request body is larger than {LIMIT} bytes"
    assert answer.delay is None


async def test_a_body_beyond_the_limit_is_a_413_before_it_is_read(served: Served) -> None:
    answer = await served.http(bytes(LIMIT + 1))
    assert (answer.code, answer.status.message) == (413, f"the request body is larger than {LIMIT} bytes")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_beyond_the_limit_is_exhausted_and_not_to_be_repeated(
    served: Served, compression: grpc.Compression
) -> None:
    answer = await served.grpc(bytes(LIMIT + 1), compression=compression)
    assert answer.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert "google.rpc.retryinfo-bin" not in answer.trailers


async def test_a_message_of_more_than_grpcs_own_4_mib_is_taken(served: Served) -> None:
    assert (await served.grpc(traces(span("large", {"text": "x" * (5 << 20)})))).code == 0


async def test_limits_have_the_collectors_names() -> None:
    async with serving(http={"max_request_body_size": 1000}, grpc={"max_recv_msg_size_mib": 1}) as served:
        assert (await served.http(bytes(1001))).code == 413
        assert (await served.grpc(bytes((1 << 20) + 1))).code == 8


async def test_a_compression_can_be_switched_off() -> None:
    async with serving(http={"compression_algorithms": ["zstd", ""]}) as served:
        answer = await served.http(gzip.compress(traces(span())), Content_Encoding="gzip")
        assert (answer.code, answer.status.message) == (
            400,
            "unsupported Content-Encoding: 'gzip', supported are identity, zstd",
        )


async def test_a_damaged_body_is_a_400(served: Served) -> None:
    answer = await served.http(b"\x1f\x8b and then nothing good", Content_Encoding="gzip")
    assert (answer.code, answer.status.code) == (400, 3)
