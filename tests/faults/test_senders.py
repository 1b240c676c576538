"""Senders that are slow, many, broken or hostile, among good ones."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest

from tests.faults.conftest import NewSystem
from tests.faults.senders import HEADERS, batch
from tests.faults.store import Database
from tests.faults.system import System, clickhouse
from tests.receiver.compressed import gzip_bomb, zstd_bomb
from tests.receiver.servers import TRACE_SERVICE, raw_call

MEBIBYTE = 1 << 20


def peak_memory(system: System) -> int:
    """Bytes that the process has had in memory at most."""
    status = Path(f"/proc/{system.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextlib.asynccontextmanager
async def good_traffic(system: System) -> AsyncIterator[None]:
    """Good senders all along, whose requests still pass at the end."""
    await system.start()
    async with system.senders.running():
        await system.ledger.grown(10)
        yield
        await system.ledger.grown(10)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_malformed_and_hostile_payloads_among_good_ones(new_system: NewSystem, database: Database) -> None:
    chance = random.Random(7)
    good = batch().body
    hostile = [
        b"\x0a\x05",
        b"\xff" * 1000,
        b"\x0a" * 100_000,
        b"\x0b" * 50_000,  # groups in groups
        good[: len(good) // 2],
        bytes(byte ^ (chance.random() < 0.05) for byte in good),
        chance.randbytes(10_000),
        b"{" * 100_000,
        b'{"resourceSpans":' + b"[" * 100_000,
    ]
    system = new_system({"store": clickhouse(database)})
    async with good_traffic(system), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{system.http}/v1/traces"
        for _ in range(3):
            for body in hostile:
                for media_type in ("application/x-protobuf", "application/json", "text/plain"):
                    async with session.post(url, data=body, headers={"Content-Type": media_type}) as answer:
                        assert answer.status in (200, 400, 413, 415), answer.status
    await system.stored_once(database)


async def test_slow_loris_senders(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    async with good_traffic(system), contextlib.AsyncExitStack() as stack:
        writers = []
        for number in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", system.http)
            stack.push_async_callback(hang_up, writer)
            writer.write(head + (b"Content-Length: 1000\r\n\r\n" if number % 2 else b"X-"))
            writers.append(writer)
        for _ in range(20):
            for writer in writers:
                writer.write(b"x")
            await system.ledger.grown(5)
    await system.stored_once(database)


async def test_half_sent_large_bodies_take_no_more_memory_than_is_set(
    new_system: NewSystem, database: Database
) -> None:
    system = new_system({"store": clickhouse(database)})
    announced = 60 * MEBIBYTE
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    await system.start("receivers.otlp.protocols.http.max_in_flight_mib=128")
    async with system.senders.running(), contextlib.AsyncExitStack() as stack:
        await system.ledger.grown(10)
        before = peak_memory(system)

        async def half() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", system.http)
            stack.push_async_callback(hang_up, writer)
            writer.write(head % announced)
            for _ in range(50):
                writer.write(bytes(MEBIBYTE))
                try:
                    await writer.drain()
                except ConnectionError:
                    return

        await asyncio.gather(*(half() for _ in range(20)))
        await system.ledger.grown(10)
        assert peak_memory(system) - before < (128 + 64) * MEBIBYTE
    await system.stored_once(database)


@pytest.mark.parametrize("over", ["grpc", "http"])
async def test_the_process_keeps_to_its_memory_limit_whatever_arrives(
    new_system: NewSystem, database: Database, over: str
) -> None:
    """A dozen messages of 58 MiB at once, again and again, among good senders; a gigabyte is allowed."""
    limit = 1024 * MEBIBYTE
    system = new_system({"store": clickhouse(database)})
    await system.start(
        "processors.memory_limiter.limit_mib=1024", "service.pipelines.traces.processors=[memory_limiter]"
    )
    large = batch(spans=58, text="x" * MEBIBYTE)
    answers: list[bool] = []

    async def over_grpc() -> bool:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{system.grpc}", options=options) as channel:
            try:
                await raw_call(channel, TRACE_SERVICE)(large.body, timeout=60)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False
        return True

    async def over_http() -> bool:
        url = f"http://127.0.0.1:{system.http}/v1/traces"
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url, data=io.BytesIO(large.body), headers=HEADERS) as answer:
                    assert answer.status in (200, 503)
                    return answer.status == 200
            except aiohttp.ClientOSError:  # refused while it was still sending
                return False

    async with system.senders.running(http=1):
        await system.ledger.grown(10)
        for _ in range(3):
            send = over_grpc if over == "grpc" else over_http
            answers += await asyncio.gather(*(send() for _ in range(12)))
        await system.ledger.grown(10)
    print(f"{over}: {sum(answers)} of {len(answers)} accepted, at most {peak_memory(system) >> 20} MiB")
    assert any(answers)
    assert not all(answers)
    assert peak_memory(system) < limit
    system.ledger.acknowledged.update(large.tokens)
    await system.stored_once(database)


async def test_decompression_bombs(new_system: NewSystem, database: Database) -> None:
    bombs = {"gzip": gzip_bomb(256), "zstd": zstd_bomb(256)}
    system = new_system({"store": clickhouse(database)})
    await system.start("receivers.otlp.protocols.http.max_in_flight_mib=128")
    async with system.senders.running(), aiohttp.ClientSession() as session:
        await system.ledger.grown(10)
        before = peak_memory(system)
        url = f"http://127.0.0.1:{system.http}/v1/traces"

        async def throw(encoding: str) -> int:
            headers = {**HEADERS, "Content-Encoding": encoding}
            async with session.post(url, data=bombs[encoding], headers=headers) as answer:
                return answer.status

        assert {await throw(encoding) for encoding in bombs} == {413}
        statuses = await asyncio.gather(*(throw(encoding) for encoding in bombs for _ in range(10)))
        assert set(statuses) <= {413, 503}
        await system.ledger.grown(10)
        # One body as large as is allowed may be unfolded besides those that are admitted.
        assert peak_memory(system) - before < (128 + 64 + 64) * MEBIBYTE
    await system.stored_once(database)


async def test_ten_thousand_connections_that_say_nothing(new_system: NewSystem, database: Database) -> None:
    count = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * count + 2000:
        count = min(count, hard - 2000)
    if count < 1000:
        pytest.skip(f"a process may open only {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    system = new_system({"store": clickhouse(database)})
    held: list[socket.socket] = []
    try:
        async with good_traffic(system):
            before = peak_memory(system)
            for number in range(count):
                one = socket.socket()
                one.setblocking(False)
                held.append(one)
                # Several addresses: one has too few ports.
                one.bind((f"127.0.0.{2 + number // 5000}", 0))
                await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", system.http))
            await system.ledger.grown(20)
            assert peak_memory(system) - before < 200 * MEBIBYTE
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await system.stored_once(database)
