"""SDKs that count tokens in another convention than the ledger: what the provider billed is still what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import provider
from tests.e2e.applications import EXAMPLES, PROGRAMS, python_application
from tests.e2e.ledger import running, tokens
from tests.e2e.script import Reply, Tokens

# The test may have to install what its program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def test_anthropics_input_tokens_leave_the_cache_out_and_ours_do_not(tmp_path: Path) -> None:
    program = PROGRAMS / "openlit-anthropic" / "app.py"
    application = python_application(EXAMPLES / "openlit-openai", program)
    # Anthropic reports this as 100 input tokens, 2000 read from and 300 written to the cache.
    asked = Tokens(input=2400, output=50, cached=2000, written=300)
    async with (
        running(tmp_path / "ledger") as ledger,
        provider.running(Reply(asked, text="On Tuesday.", model="claude-sonnet-4-5-20250929")) as model,
    ):
        environment = {"ANTHROPIC_API_KEY": "sk-e2e", "ANTHROPIC_BASE_URL": model.base_url.removesuffix("/v1")}
        await application.run("Where is order A-1001?", otlp=ledger.http, environment=environment)
        await ledger.drain()
        (run,) = await ledger.runs()

    assert (run["provider"], run["model"]) == ("anthropic", "claude-sonnet-4-5-20250929")
    assert tokens(run) == asked
    # claude-sonnet-4-5: 3.00 input, 0.30 cache read, 3.75 cache write (5 minutes), 15.00 output.
    # (100 * 3.00 + 2000 * 0.30 + 300 * 3.75 + 50 * 15.00) / 1e6 = (300 + 600 + 1125 + 750) / 1e6
    assert run["cost"]["total"] == "0.002775"
