"""CPU per kB of the log, on disk and in memory, as JSON: append, sync, cursors, deletion. Bodies are noise, because
their content does not matter here. `--directory` says which disk is measured; a RAM disk would tell nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from spanledger.model.received import Encoding, Received, Signal
from spanledger.pipeline import DurableLog, FileStorageSettings, Log, MemoryLog
from spanledger.service import event_loop

GROUP = 20
"""Senders that wait at the same time, so that one sync is shared by so many appends."""
CURSORS_EVERY = 50
"""Groups after which an exporter notes how far it is."""


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def appended(log: Log, size: int, total: int) -> tuple[float, float]:
    """(CPU seconds, seconds) that `total` bytes take in entries of `size`."""
    body = os.urandom(size)
    received = Received("default", Signal.TRACES, Encoding.PROTOBUF, body, (), time.time_ns())
    await log.open()
    await log.register(["store"])
    cpu, began = used(), time.perf_counter()
    for group in range(total // size // GROUP):
        await asyncio.gather(*(log.append(received) for _ in range(GROUP)))
        if group % CURSORS_EVERY == 0:
            await log.save_cursors({"store": log.last_seq})
    took = used() - cpu, time.perf_counter() - began
    await log.close()
    return took


def measure(directory: str | None, size: int, total: int, repeat: int) -> dict[str, dict[str, float]]:
    """The kinds of log take turns, so that what else the machine does meets both."""
    taken: dict[str, list[tuple[float, float]]] = {"durable": [], "memory": []}
    for _ in range(repeat + 1):
        with tempfile.TemporaryDirectory(dir=directory) as folder:
            logs: dict[str, Log] = {
                "durable": DurableLog(FileStorageSettings(directory=Path(folder) / "log")),
                "memory": MemoryLog(),
            }
            for name, log in logs.items():
                with asyncio.Runner(loop_factory=event_loop()) as runner:
                    taken[name].append(runner.run(appended(log, size, total)))
    return {
        name: {
            "cpu_us_per_kb": round(statistics.median(cpu for cpu, _ in runs[1:]) / total * 1e9, 2),
            "us_per_kb": round(statistics.median(wall for _, wall in runs[1:]) / total * 1e9, 2),
        }
        for name, runs in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", help="where the log is made; otherwise the folder for temporary files")
    parser.add_argument("--total", type=int, default=64, help="MB appended in each run")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions after one unmeasured; the median is told")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2),
        "group": GROUP,
        "entries": {
            f"{size} B": measure(options.directory, size, options.total * 1_000_000, options.repeat)
            for size in (4_096, 40_960, 409_600)
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
