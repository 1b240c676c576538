"""A real `spanledger serve` for tests: its own folder, ports that the system chose, ended at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

ANY_PORT = (
    "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "extensions.api.endpoint=127.0.0.1:0",
    "extensions.health_check.endpoint=127.0.0.1:0",
    "service.telemetry.metrics.address=127.0.0.1:0",
)
DEADLINE = 50.0
"""Seconds until a process that must say something is given up; far above what it takes."""


class Serving:
    """A process and what it has printed."""

    def __init__(self, folder: Path, *arguments: str, deadline: float = DEADLINE) -> None:
        self.folder = folder
        self._deadline = deadline
        command = [sys.executable, "-m", "spanledger", "serve", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line, printed already or still to come, in which the pattern is found."""
        for line in self.lines:
            if found := re.search(pattern, line):
                return found
        while True:
            if found := re.search(pattern, self._next(pattern)):
                return found

    def _next(self, wanted: str) -> str:
        try:
            line = self._queue.get(timeout=self._deadline)
        except Empty:
            self.end(signal.SIGABRT)  # it tells where its threads stand
            raise AssertionError(f"nothing for {self._deadline:g} s, waiting for {wanted!r}:\n{self.output}") from None
        if line is None:
            raise AssertionError(f"spanledger ended ({self.process.wait()}) without {wanted!r}:\n{self.output}")
        self.lines.append(line)
        return line

    def wait_for_number(self, text: str, number: int) -> None:
        """The line that holds the text for the so-manieth time."""
        while sum(text in line for line in self.lines) < number:
            self._next(text)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, then as `ended`."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait(timeout=self._deadline)
        self._reader.join(timeout=self._deadline)
        while not self._queue.empty():
            if line := self._queue.get():
                self.lines.append(line)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line)
        self.process.stdout.close()
        self._queue.put(None)


@contextmanager
def serving(folder: Path, *sets: str, arguments: tuple[str, ...] = ()) -> Iterator[Serving]:
    """A process on free ports with the built-in default and `sets`."""
    options = [option for text in (*ANY_PORT, *sets) for option in ("--set", text)]
    process = Serving(folder, *options, *arguments)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.end()


def span_body(span_id: str, model: str) -> bytes:
    """An OTLP/JSON request with one model call."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 42,
        "gen_ai.usage.output_tokens": 7,
        "user.id": "ada",
    }
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": span_id,
        "name": f"chat {model}",
        "kind": 3,
        "startTimeUnixNano": "1772359200000000000",
        "endTimeUnixNano": "1772359201000000000",
        "attributes": [
            {"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
            for key, value in attributes.items()
        ],
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
