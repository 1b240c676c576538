"""A store that can be killed: ClickHouse's HTTP interface on the embedded engine, in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_databases = itertools.count(1)


def free_port() -> int:
    """A port that a process may take in a moment, and again after it was killed."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Store:
    """One store; tests share it and take a database each."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.run_store", str(self.port), str(self.folder)]
        self._process = subprocess.Popen(
            command, cwd=_REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    @property
    def runs(self) -> bool:
        return self._process is not None

    def database(self) -> Database:
        """A new one."""
        return Database(self, f"faults_{next(_databases)}")

    def query(self, sql: str) -> list[list[str]]:
        """Rows of a statement. Raises `OSError`."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", sql.encode())
        with urllib.request.urlopen(request) as response:
            return [line.split("\t") for line in response.read().decode().splitlines()]


@dataclass(frozen=True)
class Database:
    """What one test has written."""

    store: Store
    name: str

    async def runs(self) -> dict[str, tuple[int, int]]:
        """Span id → (how often it is there, sum of its input tokens); empty before there are tables."""
        sql = f"SELECT span_id, count(), sum(input_tokens) FROM {self.name}.runs FINAL GROUP BY span_id"
        try:
            rows = await asyncio.to_thread(self.store.query, sql)
        except urllib.error.HTTPError as error:
            with error:
                if b"UNKNOWN" in error.read():
                    return {}
            raise
        return {span_id: (int(count), int(tokens)) for span_id, count, tokens in rows}
