"""The README's snippets, run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import spanledger
from tests.e2e import provider, relay
from tests.e2e.applications import EXAMPLES, ROOT, Application, node_application, python_application
from tests.e2e.ledger import billed_tokens
from tests.e2e.script import Reply, Tokens

# The first of these tests may have to install what its snippet needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TOKENS = Tokens(42, 7)


def snippet(heading: str) -> str:
    """The first code block below a heading of the README."""
    _, _, below = (ROOT / "README.md").read_text().partition(f"### {heading}\n")
    found = re.search(r"```\w+\n(.*?)```", below.partition("\n#")[0], re.DOTALL)
    assert found, f"the README has no snippet below {heading!r}"
    return found[1]


def python_snippet(example: str, code: str) -> Application:
    """The snippet, with what an example has installed."""
    python, _ = python_application(EXAMPLES / example).command
    return Application(f"README, {example}", (python, "-c", code))


async def tokens_it_sends(
    application: Application, recorder: relay.Relay, environment: Mapping[str, str] | None = None
) -> Tokens:
    async with provider.running(Reply(TOKENS, text="On Tuesday.")) as model:
        await application.run(otlp=recorder.endpoint, provider=model.base_url, environment=environment)
    records = spanledger.map_otlp(recorder.bodies("traces"), recorder.bodies("logs"))
    return billed_tokens([record for record in records if record["record"] == "run"])


async def test_vercel_ai_sdk() -> None:
    application = node_application(EXAMPLES / "vercel-ai-sdk")
    *node, app = application.command
    program = Path(app).with_name("readme.mjs")
    program.write_text(snippet("Vercel AI SDK"))

    async with relay.recording() as recorder:
        assert await tokens_it_sends(Application("README, vercel-ai-sdk", (*node, str(program))), recorder) == TOKENS


async def test_pydantic_ai() -> None:
    async with relay.recording() as recorder:
        assert await tokens_it_sends(python_snippet("pydantic-ai", snippet("Pydantic AI")), recorder) == TOKENS


async def test_openlit() -> None:
    code = snippet("OpenLIT")
    assert "http://127.0.0.1:4318" in code
    async with relay.recording() as recorder:
        application = python_snippet("openlit-openai", code.replace("http://127.0.0.1:4318", recorder.endpoint))
        # A proxy that refuses at once keeps OpenLIT from downloading its price list.
        refusing = {"HTTPS_PROXY": "http://127.0.0.1:9"}
        assert await tokens_it_sends(application, recorder, refusing) == TOKENS


async def test_plain_opentelemetry() -> None:
    setup, _, _ = snippet("Pydantic AI").partition("trace.set_tracer_provider(provider)")
    setup = setup.replace("from pydantic_ai import Agent\n", "")
    code = f"{setup}\ntracer = provider.get_tracer('readme')\n{snippet('Plain OpenTelemetry')}\nprovider.shutdown()\n"
    async with relay.recording() as recorder:
        assert await tokens_it_sends(python_snippet("plain-opentelemetry", code), recorder) == TOKENS
