"""The receiver and the exporter `kafka` with a real broker, between two spanledgers and between us and a Collector."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.e2e.applications import cannot
from tests.peers.kafka_broker import CannotRun, broker
from tests.peers.processes import (
    Process,
    free_ports,
    ledger_config,
    new_collector,
    new_ledger,
    new_spanledger,
    runs_in,
    send,
    spans_in,
    trace,
    until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200), pytest.mark.xdist_group("kafka")]


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One broker for all tests: each has topics and groups of its own."""
    try:
        with broker(tmp_path_factory.mktemp("broker")) as address:
            yield address
    except CannotRun as reason:
        cannot(str(reason))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def started(*processes: Process) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for process in processes:
            stack.push_async_callback(process.stop)
            await process.start()
        yield


def consuming(brokers: str, topic: str, **keys: Any) -> dict[str, Any]:
    quick = {"initial_offset": "earliest", "autocommit": {"interval": "100ms"}, "session_timeout": "6s"}
    heartbeat = {"heartbeat_interval": "500ms", "group_id": f"group of {topic}", "metadata": {"refresh_interval": "1s"}}
    return {"kafka": {"brokers": [brokers], "traces": {"topics": [topic]}, **quick, **heartbeat, **keys}}


def producing(folder: Path, brokers: str, topic: str, port: int, **keys: Any) -> Process:
    """A spanledger that passes traces on to a topic."""
    return new_spanledger(
        folder,
        {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {"kafka": {"brokers": [brokers], "traces": {"topic": topic}, **keys}},
            "extensions": {"file_storage": {"directory": str(folder / "log")}},
            "service": {
                "extensions": ["file_storage"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["kafka"]}},
            },
        },
        port,
    )


async def arrived(folder: Path, sent: list[str], process: Process) -> None:
    """Return when every span is a run of the ledger, and none counts twice."""
    await until(lambda: set(runs_in(folder)) >= set(sent), "all arrives", process.tail)
    runs = runs_in(folder)
    assert set(runs) == set(sent)
    assert sum(run["usage"]["input_tokens"] for run in runs.values()) == 10 * len(sent)


async def waiting(brokers: str, topic: str) -> int:
    """Messages of a topic that its group has not committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=f"group of {topic}", enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = [TopicPartition(topic, number) for number in range(3)]
        ends = await consumer.end_offsets(numbers)
        return sum([ends[one] - (await consumer.committed(one) or 0) for one in numbers])
    finally:
        await consumer.stop()


async def committed(brokers: str, topic: str) -> None:
    """Return when the group has committed everything."""
    async with asyncio.timeout(60):
        while await waiting(brokers, topic):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("plain", {}),
        ("traces-and-zstd", {"partition_traces_by_id": True, "producer": {"compression": "zstd"}}),
        ("json", {"traces": {"topic": "json", "encoding": "otlp_json"}}),
        ("small", {"producer": {"max_message_bytes": 400, "required_acks": 1}}),
    ],
)
async def test_between_two_spanledgers(
    name: str, keys: dict[str, Any], brokers: str, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    port, grpc_port, http_port = free_ports(3)
    encoding = {"encoding": "otlp_json"} if name == "json" else {}
    receiving = consuming(brokers, name, traces={"topics": [name], **encoding})
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port, receiving)
    front = producing(tmp_path / "front", brokers, name, port, **keys)
    async with started(front, ledger):
        sent = await send(http, f"http://127.0.0.1:{port}", range(20))
        await arrived(tmp_path / "ledger", sent, ledger)
        await committed(brokers, name)


async def test_offsets_wait_for_the_store(brokers: str, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A ledger that dies with its disk before its store has anything: the messages come to the next one."""
    topic = "waits"
    port, grpc_port, http_port, nowhere = free_ports(4)
    away = new_spanledger(
        tmp_path / "away",
        {
            "receivers": {
                "otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{http_port}"}}},
                **consuming(brokers, topic),
            },
            "exporters": {"clickhouse": {"endpoint": f"http://127.0.0.1:{nowhere}"}},
            "extensions": {"file_storage": {"directory": str(tmp_path / "away" / "log")}},
            "service": {
                "extensions": ["file_storage"],
                "pipelines": {"traces": {"receivers": ["kafka", "otlp"], "exporters": ["clickhouse"]}},
            },
        },
        http_port,
    )
    front = producing(tmp_path / "front", brokers, topic, port)
    async with started(front):
        async with started(away):
            sent = await send(http, f"http://127.0.0.1:{port}", range(10))
            log = tmp_path / "away" / "log"
            await until(lambda: sum(file.stat().st_size for file in log.glob("*.segment")) > 5000, "it is in the log")
            assert await waiting(brokers, topic) > 0
            await away.kill()
        ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port, consuming(brokers, topic))
        async with started(ledger):
            await arrived(tmp_path / "ledger", sent, ledger)


async def test_members_come_and_go(brokers: str, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A second member takes part of the partitions, the first one is killed; the two ledgers hold every span."""
    topic = "members"
    port, *others = free_ports(5)
    front = producing(tmp_path / "front", brokers, topic, port, partition_traces_by_id=True)
    first = new_ledger(tmp_path / "first", others[0], others[1], consuming(brokers, topic))
    second = new_ledger(tmp_path / "second", others[2], others[3], consuming(brokers, topic))

    def both() -> set[str]:
        return set(runs_in(tmp_path / "first")) | set(runs_in(tmp_path / "second"))

    address = f"http://127.0.0.1:{port}"
    async with started(front, first):
        sent = await send(http, address, range(20))
        async with started(second):
            number = 20
            while not runs_in(tmp_path / "second"):  # until it has its part of the partitions
                assert number < 1000, second.tail()
                sent += await send(http, address, range(number, number + 5))
                number += 5
                await asyncio.sleep(0.2)
            await first.kill()
            sent += await send(http, address, range(1000, 1020))
            await until(lambda: both() >= set(sent), "all arrives", second.tail)
            await committed(brokers, topic)
    assert both() == set(sent)


async def test_a_new_configuration_goes_on_where_the_one_before_was(
    brokers: str, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    topic = "reload"
    port, grpc_port, http_port, metrics = free_ports(4)
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port, consuming(brokers, topic))
    changed = consuming(brokers, topic, autocommit={"interval": "200ms"})
    front = producing(tmp_path / "front", brokers, topic, port)
    async with started(front, ledger):
        sent = await send(http, f"http://127.0.0.1:{port}", range(20))
        await arrived(tmp_path / "ledger", sent, ledger)
        address = f"127.0.0.1:{metrics}"
        await ledger.reload(ledger_config(tmp_path / "ledger", grpc_port, http_port, changed, address))
        sent += await send(http, f"http://127.0.0.1:{port}", range(20, 40))
        await arrived(tmp_path / "ledger", sent, ledger)
        await committed(brokers, topic)
        async with http.get(f"http://{address}/metrics") as response:
            lines = (await response.text()).splitlines()
    counted = [line for line in lines if line.startswith("otelcol_receiver_accepted_spans") and "kafka" in line]
    assert counted
    assert float(counted[0].split()[-1]) >= 60


async def test_poison_is_a_dead_letter_and_the_rest_goes_on(brokers: str, tmp_path: Path) -> None:
    topic = "poison"
    grpc_port, http_port = free_ports(2)
    body, ids = trace(1)
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    for value in (b"\xff\xff\xff", body):
        await producer.send_and_wait(topic, value, partition=0)
    await producer.stop()
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port, consuming(brokers, topic))
    async with started(ledger):
        await arrived(tmp_path / "ledger", ids, ledger)
        await committed(brokers, topic)
    assert "message poison/0/0 is a dead letter" in ledger.output()


async def test_headers_of_messages_are_shown_to_processors(brokers: str, tmp_path: Path) -> None:
    topic = "headers"
    grpc_port, http_port = free_ports(2)
    body, ids = trace(1)
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    await producer.send_and_wait(topic, body, headers=[("X-User", b"ali")])
    await producer.stop()
    config = ledger_config(tmp_path / "ledger", grpc_port, http_port, consuming(brokers, topic))
    action = {"key": "user.id", "action": "upsert", "from_context": "metadata.x-user"}
    config["processors"] = {"attributes": {"actions": [action]}}
    config["service"]["pipelines"]["traces"]["processors"] = ["attributes"]
    ledger = new_spanledger(tmp_path / "ledger", config, http_port, "ledger")
    async with started(ledger):
        await arrived(tmp_path / "ledger", ids, ledger)
    assert {run["user_id"] for run in runs_in(tmp_path / "ledger").values()} == {"ali"}


async def test_from_us_to_a_collector(brokers: str, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    topic = "to-collector"
    port, other = free_ports(2)
    file = tmp_path / "arrived.jsonl"
    collector = new_collector(
        tmp_path / "collector",
        {
            "receivers": {
                "otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{other}"}}},
                "kafka": {
                    "brokers": [brokers],
                    "traces": {"topics": [topic]},
                    "initial_offset": "earliest",
                    "group_id": "collector",
                },
            },
            "exporters": {"file": {"path": str(file), "flush_interval": "50ms"}},
            "service": {"pipelines": {"traces": {"receivers": ["otlp", "kafka"], "exporters": ["file"]}}},
        },
        other,
    )
    front = producing(tmp_path / "front", brokers, topic, port, partition_traces_by_id=True)
    async with started(front):
        sent = Counter(await send(http, f"http://127.0.0.1:{port}", range(20)))
        async with started(collector):
            await until(lambda: spans_in(file) >= sent, "all arrives", collector.tail)
    assert spans_in(file) == sent


async def test_from_a_collector_to_us(brokers: str, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    topic = "from-collector"
    port, grpc_port, http_port = free_ports(3)
    kafka = {"brokers": [brokers], "traces": {"topic": topic}, "producer": {"compression": "snappy"}}
    collector = new_collector(
        tmp_path / "collector",
        {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {"kafka": {**kafka, "partition_traces_by_id": True}},
            "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["kafka"]}}},
        },
        port,
    )
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port, consuming(brokers, topic))
    async with started(collector, ledger):
        sent = await send(http, f"http://127.0.0.1:{port}", range(20))
        await arrived(tmp_path / "ledger", sent, ledger)
        await committed(brokers, topic)
