"""Throughput with the log on disk, as a share of that with the log in memory.

What counts is what is delivered: a turn lasts from its first byte until everything in it has left the exporter. The
time to the last acknowledgement would compare two different things. With the log in memory the answers come before the
mapping has begun, with the log on disk the mapping goes on while a group is synced; a service that is under load for
longer than its queue can swallow answers as fast as it delivers, either way. It is printed beside, as `acknowledged`.

Both processes run at the same time and take turns under load, a second or more each, with the same bytes, so that
whatever else the machine does meets both; sums are compared. There are as many senders as a loaded process has. With a
few that wait for each answer a process stands still most of the time, and what is measured is the latency of a sync and
not throughput.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from benchmarks import serving
from benchmarks.payloads import MIXES

AT_LEAST = 0.85
CONNECTIONS = {512: 16, 1: 128}
"""By spans a request."""
_TURN = {512: {"A": 48, "B": 128, "C": 400, "L": 48}, 1: {"A": 2000, "B": 3000, "C": 4000, "L": 2000}}
"""Requests a turn, by spans a request and mix: many times what is on its way at once."""
_SETTINGS = ("exporters.debug.sending_queue.batch.flush_timeout=20ms",)
"""The last batch of a turn waits for no other, or each turn would end with the same 200 ms for both."""


@dataclass(frozen=True, slots=True)
class Durability:
    """Shares of one mix, in requests of one size."""

    mix: str
    spans: int
    wall: float
    """Requests that are delivered in a second."""
    cpu: float
    """Requests that a second of CPU pays for, delivery included."""
    acknowledged: float
    """Requests that are answered in a second."""
    requests_per_second: tuple[float, float]
    """Delivered (on disk, in memory)."""


@dataclass(slots=True)
class _Spent:
    """Seconds of all turns of one process."""

    answered: float = 0.0
    delivered: float = 0.0
    cpu: float = 0.0


def measure(names: list[str], turns: int) -> Iterator[Durability]:
    """So many turns of each process for each case."""
    with (
        serving.spanledger("durable log", settings=_SETTINGS) as durable,
        serving.spanledger("memory log", settings=_SETTINGS) as memory,
    ):
        subjects = (durable, memory)
        series = count(1)
        for spans, sizes in _TURN.items():
            for name in names:
                spent = (_Spent(), _Spent())
                for turn in range(-1, turns):
                    requests = [_request(body) for body in MIXES[name](sizes[name], spans, next(series)).bodies]
                    for which in (0, 1) if turn % 2 else (1, 0):
                        warm = turn < 0
                        _turn(subjects[which], requests, CONNECTIONS[spans], _Spent() if warm else spent[which])
                on_disk, in_memory = spent
                sent = sizes[name] * turns
                yield Durability(
                    name,
                    spans,
                    in_memory.delivered / on_disk.delivered,
                    in_memory.cpu / on_disk.cpu,
                    in_memory.answered / on_disk.answered,
                    (sent / on_disk.delivered, sent / in_memory.delivered),
                )


def _turn(subject: serving.Subject, requests: list[bytes], connections: int, spent: _Spent) -> None:
    before, began = serving.cpu_of_tree(subject.pid), time.perf_counter()
    problems: list[BaseException] = []

    def work(share: list[bytes]) -> None:
        try:
            _send(subject.http, share)
        except BaseException as problem:
            problems.append(problem)

    senders = [threading.Thread(target=work, args=(requests[at::connections],)) for at in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if problems:
        raise problems[0]
    spent.answered += time.perf_counter() - began
    while not subject.is_done():
        time.sleep(0.01)
    spent.delivered += time.perf_counter() - began
    spent.cpu += serving.cpu_of_tree(subject.pid) - before


def _request(body: bytes) -> bytes:
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _send(address: str, requests: list[bytes]) -> None:
    """Bare sockets: a client library would take as much of the machine as the process that is measured."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for request in requests:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                piece = connection.recv(65536)
                assert piece, "the connection was closed"
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            # Success has no body; one would be in the way of the next answer.
            assert b"\r\ncontent-length: 0\r\n" in answer.lower(), answer
