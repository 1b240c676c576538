"""A running spanledger between senders and a store, and the question whether everything arrived."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from tests.cli.serving import Serving
from tests.faults.senders import Ledger, Senders
from tests.faults.store import Database, free_port

FULL = os.environ.get("SPANLEDGER_FAULTS") == "full"
"""Whether there is time for everything; else rounds are few."""
_PATIENCE = 60.0
_START = 150.0
"""A start takes two seconds of CPU. With a load of 13 on two cores it waited 20 seconds for its turns (measured by the
scheduler's own counts), and nothing else."""
_TAKEN_OVER = "the new configuration is taken over"
_CONFIG = """\
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}
exporters: {exporters}
extensions:
  file_storage: {{directory: {log}}}
  health_check: {{endpoint: "127.0.0.1:{health}"}}
service:
  extensions: [file_storage, health_check]
  pipelines: {{traces: {{receivers: [otlp], exporters: [{names}]}}}}
"""


def clickhouse(database: Database, port: int | None = None, **settings: Any) -> dict[str, Any]:
    """An exporter that writes to a database, over a proxy's port where one is given."""
    return {
        "endpoint": f"http://127.0.0.1:{port or database.store.port}",
        "database": database.name,
        "timeout": "2s",
        "connect_timeout": "2s",
        "retry_on_failure": {"initial_interval": "50ms", "max_interval": "500ms"},
        **settings,
    }


class Stored(Protocol):
    """What a test has written to some store."""

    async def runs(self) -> dict[str, tuple[int, int]]: ...


class System:
    """A process in a folder, on ports that stay the same when it is started again."""

    def __init__(self, folder: Path, exporters: dict[str, dict[str, Any]], log: Path | None = None) -> None:
        self.folder = folder
        self.log = log or folder / "log"
        self.http, self.grpc, self.health = (free_port() for _ in range(3))
        ids = {name if "/" in name else f"clickhouse/{name}": settings for name, settings in exporters.items()}
        self.text = _CONFIG.format(
            http=self.http,
            grpc=self.grpc,
            health=self.health,
            log=self.log,
            exporters=json.dumps(ids),
            names=", ".join(ids),
        )
        """The configuration that it begins with."""
        self._write(self.text)
        self.ledger = Ledger()
        self.senders = Senders(f"127.0.0.1:{self.http}", f"127.0.0.1:{self.grpc}", self.ledger)
        self.process: Serving | None = None
        self.slowest_start = 0.0
        """Seconds."""

    async def start(self, *sets: str, arguments: tuple[str, ...] = ()) -> None:
        options = [option for text in sets for option in ("--set", text)]
        began = time.monotonic()
        self.process = Serving(self.folder, "--config", "spanledger.yaml", *options, *arguments, deadline=_START)
        await asyncio.to_thread(self.process.wait_for, " is ready ")
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)

    async def reload(self, text: str) -> None:
        """Give the process another configuration, and wait until that is the one in use."""
        assert self.process is not None
        already = sum(_TAKEN_OVER in line for line in self.process.lines)
        self.ask_to_reload(text)
        await asyncio.to_thread(self.process.wait_for_number, _TAKEN_OVER, already + 1)

    def ask_to_reload(self, text: str) -> None:
        """Write another configuration and have it read."""
        self._write(text)
        assert self.process is not None
        self.process.process.send_signal(signal.SIGHUP)

    def _write(self, text: str) -> None:
        (self.folder / "spanledger.yaml").write_text(text)

    async def kill(self) -> None:
        """kill -9."""
        assert await self.end(signal.SIGKILL) == -signal.SIGKILL

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        assert self.process is not None
        status = await asyncio.to_thread(self.process.end, number)
        self.process = None
        return status

    def close(self) -> None:
        if self.process is not None:
            self.process.process.kill()
            self.process.ended()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.process.pid

    async def status(self) -> dict[str, Any]:
        """What the health check tells."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/") as answer:
                told: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = json.load(error)
        return told

    async def stored_once(self, *databases: Stored, without: frozenset[str] = frozenset()) -> None:
        """Everything acknowledged is in each database exactly once, with its tokens, so that totals are equal; what was
        sent and never acknowledged is there at most once. `without`: known to be dead letters."""
        wanted = {
            span_id: (1, tokens) for span_id, tokens in self.ledger.acknowledged.items() if span_id not in without
        }
        assert wanted, "nothing was acknowledged"
        for database in databases:
            found = await self._until_stored(database, wanted)
            assert {span_id: found.get(span_id) for span_id in wanted} == wanted
            assert {count for count, _ in found.values()} == {1}

    async def _until_stored(self, database: Stored, wanted: dict[str, Any]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        try:
            async with asyncio.timeout(_PATIENCE):
                while not wanted.keys() <= (found := await database.runs()).keys():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            missing = sorted(wanted.keys() - found.keys())
            told = await self.status() if self.process is not None else "the process has ended"
            text = f"{len(missing)} of {len(wanted)} are missing: {missing[:20]}\n{told}"
            raise AssertionError(f"{text}\n{self.process.output if self.process else ''}") from None
        return found
