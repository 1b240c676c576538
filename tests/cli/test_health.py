"""`spanledger health`, as the health check of a container calls it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from spanledger.cli import main
from spanledger.telemetry.health import HealthCheck
from spanledger.telemetry.settings import HealthCheckSettings


async def test_the_exit_status_tells_whether_data_is_accepted() -> None:
    import asyncio

    reason: str | None = None
    check = HealthCheck(HealthCheckSettings(endpoint="127.0.0.1:0"), lambda: reason, dict)
    await check.start()
    try:
        ready = await asyncio.to_thread(CliRunner().invoke, main, ["health", check.address])
        assert (ready.exit_code, json.loads(ready.output)["status"]) == (0, "Server available")
        reason = "the log is full"
        full = await asyncio.to_thread(CliRunner().invoke, main, ["health", f"http://{check.address}/"])
        assert full.exit_code == 1
        assert "not ready (HTTP 503)" in full.output
        assert "the log is full" in full.output
    finally:
        await check.stop()


def test_nobody_there_is_an_error() -> None:
    answer = CliRunner().invoke(main, ["health", "127.0.0.1:1"])
    assert (answer.exit_code, "127.0.0.1:1 does not answer" in answer.output) == (1, True)
