"""The programs of `examples/`, run as they are: what the provider billed is what the ledger says.

Every test writes its provider's answers down, runs the program, and reads the runs back over the API. Prices are USD
per million tokens at the time of writing, from genai-prices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import provider, relay
from tests.e2e.applications import EXAMPLES, Application, node_application, python_application
from tests.e2e.ledger import Ledger, Run, billed_cost, billed_tokens, running, tokens, tree
from tests.e2e.script import Failure, Reply, Tokens, ToolCall

# The first of these tests may have to install what its program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

QUESTION = "Where is order A-1001?"
INSTRUCTIONS = "You answer questions about orders. Be brief."
RESULT = {"order_id": "A-1001", "status": "shipped", "carrier": "Blue Van", "arrives": "Tuesday"}
ANSWER = "Order A-1001 is with Blue Van and arrives on Tuesday."


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with running(tmp_path / "ledger") as ledger:
        yield ledger


async def ledger_after(
    program: Callable[[Path], Application],
    example: str,
    ledger: Ledger,
    *script: Reply,
    environment: Mapping[str, str] | None = None,
) -> list[Run]:
    """The runs of one example, after asserting what must hold for all of them: the answer was printed, the ledger
    counts exactly what the provider counted, and all of it sent once more changes nothing."""
    application = program(EXAMPLES / example)
    async with provider.running(*script) as model, relay.recording(ledger.http) as recorder:
        finished = await application.run(
            QUESTION, otlp=recorder.endpoint, provider=model.base_url, environment=environment
        )
        assert finished.stdout == f"{ANSWER}\n"
        assert set(recorder.statuses) == {200}
        assert len(model.answered) == len(script)

        await ledger.drain()
        runs = await ledger.runs()
        assert billed_tokens(runs) == model.tokens
        assert await ledger.totals() == (model.tokens, billed_cost(runs))

        await recorder.send_again()
        await ledger.drain()
        again = await ledger.runs()
        assert [without_version(run) for run in again] == [without_version(run) for run in runs]
        assert await ledger.totals() == (model.tokens, billed_cost(runs))
    return again


def without_version(run: Run) -> Run:
    return {name: value for name, value in run.items() if name != "version"}


def only(runs: list[Run], type_: str) -> list[Run]:
    return [run for run in runs if run["type"] == type_]


def text(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def call(name: str, arguments: dict[str, str], **more: Any) -> dict[str, Any]:
    part = {"type": "tool_call", "id": "call_1", "name": name, "arguments": arguments}
    return {"role": "assistant", "parts": [part], **more}


async def test_plain_opentelemetry(ledger: Ledger) -> None:
    runs = await ledger_after(
        python_application,
        "plain-opentelemetry",
        ledger,
        Reply(
            Tokens(1200, 40, cached=1024),
            calls=(ToolCall("order_status", {"order_id": "A-1001"}),),
            model="gpt-4.1-mini-2025-04-14",
        ),
        Reply(Tokens(1290, 25), text=ANSWER, model="gpt-4.1-mini-2025-04-14"),
    )

    assert tree(runs) == [
        (
            "agent",
            "order-desk",
            [("llm", "gpt-4.1-mini", []), ("tool", "order_status", []), ("llm", "gpt-4.1-mini", [])],
        )
    ]
    first, second = only(runs, "llm")
    assert (first["provider"], first["request_model"], first["model"]) == (
        "openai",
        "gpt-4.1-mini",
        "gpt-4.1-mini-2025-04-14",
    )
    assert [first["response_id"], second["response_id"]] == ["chatcmpl-e2e-1", "chatcmpl-e2e-2"]
    assert first["params"]["temperature"] == 0.2
    assert first["input"] == [text("system", INSTRUCTIONS), text("user", QUESTION)]
    assert first["output"] == [call("order_status", {"order_id": "A-1001"}, finish_reason="tool_call")]
    assert second["output"] == [text("assistant", ANSWER, finish_reason="stop")]
    assert tokens(first) == Tokens(1200, 40, cached=1024)
    assert tokens(second) == Tokens(1290, 25)
    # gpt-4.1-mini: 0.40 input, 0.10 cached input, 1.60 output.
    # (176 * 0.40 + 1024 * 0.10 + 40 * 1.60) / 1e6 = (70.4 + 102.4 + 64.0) / 1e6
    assert first["cost"]["total"] == "0.0002368"
    # (1290 * 0.40 + 25 * 1.60) / 1e6 = (516.0 + 40.0) / 1e6
    assert second["cost"]["total"] == "0.000556"
    assert billed_cost(runs) == Decimal("0.0007928")
    (tool,) = only(runs, "tool")
    assert (tool["input"], tool["output"], tool["tool"]["call_id"]) == ({"order_id": "A-1001"}, RESULT, "call_1")
    assert {run["user_id"] for run in runs} == {"user-17"}
    assert {run["session_id"] for run in runs} == {"session-plain"}
    assert {(run["service_name"], run["service_version"]) for run in runs} == {("plain-opentelemetry", "1.0.0")}


async def test_a_call_that_the_provider_refuses(ledger: Ledger) -> None:
    refusal = Failure(400, "context_length_exceeded", "This model's maximum context length is 400000 tokens.")
    async with provider.running(refusal) as model:
        application = python_application(EXAMPLES / "plain-opentelemetry")
        await application.run(QUESTION, otlp=ledger.http, provider=model.base_url, status=1)
    await ledger.drain()
    runs = await ledger.runs()

    assert tree(runs) == [("agent", "order-desk", [("llm", "gpt-4.1-mini", [])])]
    assert {run["status"] for run in runs} == {"error"}
    (called,) = only(runs, "llm")
    assert called["error"]["type"] == "openai.BadRequestError"
    assert "maximum context length is 400000 tokens" in called["error"]["message"]
    assert called["input"] == [text("system", INSTRUCTIONS), text("user", QUESTION)]
    # What was consumed is not known, and unknown is not zero.
    assert (called["usage"], called["output"]) == (None, None)


async def test_pydantic_ai(ledger: Ledger) -> None:
    runs = await ledger_after(
        python_application,
        "pydantic-ai",
        ledger,
        Reply(
            Tokens(1200, 40, cached=1024, reasoning=16),
            calls=(ToolCall("order_status", {"order_id": "A-1001"}),),
            model="gpt-5-mini-2025-08-07",
        ),
        Reply(Tokens(1290, 25), text=ANSWER, model="gpt-5-mini-2025-08-07"),
        environment={"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
    )

    # The span "question" is no run: it only says whose question it was.
    assert tree(runs) == [
        ("agent", "order-desk", [("llm", "gpt-5-mini", []), ("tool", "order_status", []), ("llm", "gpt-5-mini", [])])
    ]
    first, second = only(runs, "llm")
    assert (first["provider"], first["request_model"], first["model"]) == (
        "openai",
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
    )
    assert first["input"] == [text("system", INSTRUCTIONS), text("user", QUESTION)]
    assert first["output"][0]["parts"] == call("order_status", {"order_id": "A-1001"})["parts"]
    assert second["output"][0]["parts"] == text("assistant", ANSWER)["parts"]
    assert tokens(first) == Tokens(1200, 40, cached=1024, reasoning=16)
    assert tokens(second) == Tokens(1290, 25)
    # gpt-5-mini: 0.25 input, 0.025 cached input, 2.00 output, reasoning included.
    # (176 * 0.25 + 1024 * 0.025 + 40 * 2.00) / 1e6 = (44.0 + 25.6 + 80.0) / 1e6
    assert first["cost"]["total"] == "0.0001496"
    # (1290 * 0.25 + 25 * 2.00) / 1e6 = (322.5 + 50.0) / 1e6
    assert second["cost"]["total"] == "0.0003725"
    assert billed_cost(runs) == Decimal("0.0005221")
    (tool,) = only(runs, "tool")
    assert (tool["input"], tool["output"], tool["tool"]["call_id"]) == ({"order_id": "A-1001"}, RESULT, "call_1")
    assert {run["user_id"] for run in runs} == {"user-17"}
    assert {run["session_id"] for run in runs} == {"session-pydantic"}


OPENLIT_SCRIPT = (
    Reply(
        Tokens(1200, 40, cached=1024),
        calls=(ToolCall("order_status", {"order_id": "A-1001"}),),
        model="gpt-4o-mini-2024-07-18",
    ),
    Reply(Tokens(1290, 25), text=ANSWER, model="gpt-4o-mini-2024-07-18"),
)


def openlit_is_right(runs: list[Run]) -> None:
    # The spans of its HTTP client are no runs. Its log records arrive first and carry the id of the span around the
    # calls; which call each belongs to says `gen_ai.response.id`, and only they tell which tools were offered.
    assert tree(runs) == [
        ("chain", "order-desk", [("llm", "gpt-4o-mini", []), ("tool", "order_status", []), ("llm", "gpt-4o-mini", [])])
    ]
    first, second = only(runs, "llm")
    assert [[tool["name"] for tool in run["tools"]] for run in (first, second)] == [["order_status"], ["order_status"]]
    assert (first["provider"], first["request_model"], first["model"]) == (
        "openai",
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
    )
    assert (first["streaming"], second["streaming"]) == (True, True)
    assert first["ttft_ns"] > 0
    assert first["input"] == [text("system", INSTRUCTIONS), text("user", QUESTION)]
    assert first["output"] == [call("order_status", {"order_id": "A-1001"}, finish_reason="tool_call")]
    assert second["output"] == [text("assistant", ANSWER, finish_reason="stop")]
    assert tokens(first) == Tokens(1200, 40, cached=1024)
    assert tokens(second) == Tokens(1290, 25)
    # gpt-4o-mini: 0.15 input, 0.075 cached input, 0.60 output.
    # (176 * 0.15 + 1024 * 0.075 + 40 * 0.60) / 1e6 = (26.4 + 76.8 + 24.0) / 1e6
    assert first["cost"]["total"] == "0.0001272"
    # (1290 * 0.15 + 25 * 0.60) / 1e6 = (193.5 + 15.0) / 1e6
    assert second["cost"]["total"] == "0.0002085"
    assert billed_cost(runs) == Decimal("0.0003357")
    (tool,) = only(runs, "tool")
    assert (tool["name"], tool["input"], tool["output"]) == ("order_status", {"order_id": "A-1001"}, RESULT)
    assert {(run["user_id"], run["session_id"]) for run in (first, second)} == {("user-17", "session-openlit")}
    assert {run["environment"] for run in runs} == {"demo"}


async def test_openlit_over_http(ledger: Ledger) -> None:
    openlit_is_right(await ledger_after(python_application, "openlit-openai", ledger, *OPENLIT_SCRIPT))


async def test_openlit_over_grpc(ledger: Ledger) -> None:
    application = python_application(EXAMPLES / "openlit-openai")
    async with provider.running(*OPENLIT_SCRIPT) as model:
        environment = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        await application.run(QUESTION, otlp=ledger.grpc, provider=model.base_url, environment=environment)
    await ledger.drain()

    openlit_is_right(await ledger.runs())


async def test_vercel_ai_sdk(ledger: Ledger) -> None:
    runs = await ledger_after(
        node_application,
        "vercel-ai-sdk",
        ledger,
        Reply(
            Tokens(1200, 40, cached=1024, reasoning=16),
            calls=(ToolCall("orderStatus", {"orderId": "A-1001"}),),
            model="gpt-5-mini-2025-08-07",
        ),
        Reply(Tokens(1290, 25), text=ANSWER, model="gpt-5-mini-2025-08-07"),
    )

    # The AI SDK runs a tool inside of the step that asked for it.
    assert tree(runs) == [
        ("chain", "order-desk", [("llm", "order-desk", [("tool", "orderStatus", [])]), ("llm", "order-desk", [])])
    ]
    first, second = only(runs, "llm")
    assert (first["provider"], first["request_model"], first["model"]) == (
        "openai",
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
    )
    assert (first["streaming"], second["streaming"]) == (True, True)
    assert first["input"] == [text("system", INSTRUCTIONS), text("user", QUESTION)]
    assert first["output"] == [call("orderStatus", {"orderId": "A-1001"})]
    assert second["output"] == [text("assistant", ANSWER)]
    assert tokens(first) == Tokens(1200, 40, cached=1024, reasoning=16)
    assert tokens(second) == Tokens(1290, 25)
    # gpt-5-mini: 0.25 input, 0.025 cached input, 2.00 output, reasoning included.
    # (176 * 0.25 + 1024 * 0.025 + 40 * 2.00) / 1e6 = (44.0 + 25.6 + 80.0) / 1e6
    assert first["cost"]["total"] == "0.0001496"
    # (1290 * 0.25 + 25 * 2.00) / 1e6 = (322.5 + 50.0) / 1e6
    assert second["cost"]["total"] == "0.0003725"
    assert billed_cost(runs) == Decimal("0.0005221")
    (tool,) = only(runs, "tool")
    assert (tool["name"], tool["input"]) == ("orderStatus", {"orderId": "A-1001"})
    assert tool["output"] == {"orderId": "A-1001", "status": "shipped", "carrier": "Blue Van", "arrives": "Tuesday"}
    assert {(run["user_id"], run["session_id"]) for run in runs} == {("user-17", "session-vercel")}
    assert {tuple(run["tags"]) for run in runs} == {("example",)}


def test_the_collectors_configuration_names_only_what_it_defines() -> None:
    config = yaml.safe_load((EXAMPLES / "collector-in-front" / "collector.yaml").read_text())

    assert set(config["service"]["pipelines"]) == {"traces", "logs", "metrics"}
    for pipeline in config["service"]["pipelines"].values():
        for section in ("receivers", "processors", "exporters"):
            assert set(pipeline[section]) <= set(config[section])
    assert set(config["service"]["extensions"]) == set(config["extensions"])
    assert config["exporters"]["otlp/spanledger"]["sending_queue"]["storage"] in config["extensions"]
