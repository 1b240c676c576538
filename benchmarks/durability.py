"""Throughput with the log on disk, as a share of that with the log in memory.

Both processes run at the same time and take turns under load, a second each, so that whatever else the machine does
meets both; sums are compared. There are as many senders as a loaded process has. With a few that wait for each answer
a process stands still most of the time, and what is measured is the latency of a sync and not throughput.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import serving
from payloads import MIXES

AT_LEAST = 0.85
CONNECTIONS = {512: 16, 1: 64}
"""By spans a request."""
_TURN = {512: 32, 1: 1000}
"""Requests a turn, by spans a request."""


@dataclass(frozen=True, slots=True)
class Durability:
    """Shares of one mix, in requests of one size."""

    mix: str
    spans: int
    wall: float
    """Requests that are acknowledged in a second."""
    cpu: float
    """Requests that a second of CPU pays for, delivery included."""
    requests_per_second: tuple[float, float]
    """(on disk, in memory)"""


def measure(names: list[str], turns: int) -> Iterator[Durability]:
    """So many turns of each process for each case."""
    with serving.spanledger("durable log") as durable, serving.spanledger("memory log") as memory:
        subjects = (durable, memory)
        series = count(1)
        for spans in _TURN:
            for name in names:
                seconds, cpu = [0.0, 0.0], [0.0, 0.0]
                for turn in range(-1, turns):
                    for which in (0, 1) if turn % 2 else (1, 0):
                        bodies = MIXES[name](_TURN[spans], spans, next(series)).bodies
                        wall, used = _turn(subjects[which], bodies, CONNECTIONS[spans])
                        if turn >= 0:  # the first is to get warm
                            seconds[which] += wall
                            cpu[which] += used
                requests = _TURN[spans] * turns
                rates = (requests / seconds[0], requests / seconds[1])
                yield Durability(name, spans, rates[0] / rates[1], cpu[1] / cpu[0], rates)


def _turn(subject: serving.Subject, bodies: list[bytes], connections: int) -> tuple[float, float]:
    """(seconds until all are acknowledged, CPU seconds until all are delivered)."""
    requests = [_request(body) for body in bodies]
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
    wall = time.perf_counter() - began
    while not subject.is_done():
        time.sleep(0.05)
    return wall, serving.cpu_of_tree(subject.pid) - before


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
