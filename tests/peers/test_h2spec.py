"""The gRPC listener under h2spec, the conformance tests of HTTP/2 and HPACK: every case passes, and none is left out.

Most cases send a POST of no gRPC, and look at the frames of the answer, which is an HTTP status with a hint.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.applications import cannot
from tests.peers.collector_build import CannotBuild, build_h2spec
from tests.receiver.certificates import Authority
from tests.receiver.servers import Memory, running, settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

_CASES = 145
"""Of h2spec 2.2.1, without those of `--strict`."""


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
async def test_h2spec(encrypted: bool, tmp_path: Path) -> None:
    try:
        program = await asyncio.to_thread(build_h2spec)
    except CannotBuild as reason:
        cannot(str(reason))
    # A limit of streams, because there is a case for those that are over it.
    configured: dict[str, Any] = {"max_concurrent_streams": 100}
    if encrypted:
        configured["tls"] = Authority(tmp_path).issue()
    async with running(settings(grpc=configured, only="grpc"), Memory()) as receiver:
        host, _, port = str(receiver.grpc_address).rpartition(":")
        process = await asyncio.create_subprocess_exec(
            program,
            *("--host", host, "--port", port, "--timeout", "10"),
            *(("--tls", "--insecure") if encrypted else ()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await process.communicate())[0].decode()
    assert f"{_CASES} tests, {_CASES} passed, 0 skipped, 0 failed" in told, told[-4000:]
