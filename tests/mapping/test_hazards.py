"""Spans that repeat the usage of others, one by one as SDKs send them: each token bills once. The rules behind it have
tests of their own in test_billing.py."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from spanledger.model.received import Item
from spanledger.model.span import Value
from tests.mapping.build import Ledger, agent, chat, log, span

Billed = list[tuple[str, int | None, int | None]]
CALL: Billed = [("llm", 56, 5)]
RESPONSE = "chatcmpl-aaaaaaaaaaaaaaaa"


def used(incoming: int, outgoing: int) -> dict[str, Value]:
    return {"gen_ai.usage.input_tokens": incoming, "gen_ai.usage.output_tokens": outgoing}


def counted(incoming: int, outgoing: int) -> dict[str, Value]:
    return {"llm.token_count.prompt": incoming, "llm.token_count.completion": outgoing}


MODEL: dict[str, Value] = {"gen_ai.request.model": "gpt-4o"}
VERCEL: dict[str, Value] = {"ai.model.id": "gpt-4o", "ai.usage.promptTokens": 56, "ai.usage.completionTokens": 5}
STATE = json.dumps({"messages": [{"type": "ai", "usage_metadata": {"input_tokens": 56, "output_tokens": 5}}]})
CLAUDE_LOG = {"request_id": "req_1", "model": "claude-sonnet-4-5", "input_tokens": "56", "output_tokens": "5"}

HAZARDS: dict[str, tuple[Sequence[Item], Billed]] = {
    "AI SDK repeats the inner call": (
        [
            span({"ai.operationId": "ai.generateText", **VERCEL}, id=1),
            span({"ai.operationId": "ai.generateText.doGenerate", **VERCEL, **used(56, 5)}, id=2, parent=1),
        ],
        CALL,
    ),
    "AI SDK repeats the inner embedding": (
        [
            span({"ai.operationId": "ai.embed", "ai.usage.tokens": 4, "ai.model.id": "m"}, id=1),
            span({"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 4, "ai.model.id": "m"}, id=2, parent=1),
        ],
        [("embed", 4, None)],
    ),
    "AI SDK 7 sums on the agent and may on its steps": (
        [
            agent(tokens=(113, 11), id=1, scope="gen_ai"),
            span({"gen_ai.operation.name": "agent_step", **used(56, 5)}, name="step 1", scope="gen_ai", id=4, parent=1),
            chat(id=2, parent=4),
            chat(id=3, parent=4, tokens=(57, 6)),
        ],
        [("llm", 56, 5), ("llm", 57, 6)],
    ),
    "Pydantic AI 1 sums on the agent": (
        [
            span({"agent_name": "a", **used(113, 11)}, name="agent run", scope="pydantic-ai", id=1),
            chat(id=2, parent=1),
        ],
        CALL,
    ),
    "Microsoft.Extensions.AI orchestrates": (
        [
            span({**MODEL, **used(56, 5)}, name="orchestrate_tools", scope="Microsoft.Extensions.AI", id=1),
            chat(id=2, parent=1),
        ],
        CALL,
    ),
    "CrewAI: crew, agent, call and client": (
        [
            span({"gen_ai.operation.name": "invoke_workflow", **used(56, 5)}, id=1),
            agent(tokens=(56, 5), id=2, parent=1),
            chat(id=3, parent=2, scope="opentelemetry.instrumentation.crewai"),
            chat(id=4, parent=3, scope="opentelemetry.instrumentation.openai"),
        ],
        CALL,
    ),
    "OpenLIT: framework and client": (
        [chat({"gen_ai.usage.cost": 0.1}, id=1, scope="openlit"), chat(id=2, parent=1, scope="openlit")],
        CALL,
    ),
    "LangSmith's chains hold the messages of the calls": (
        [
            span({"langsmith.span.kind": "chain", "gen_ai.completion": STATE}, id=1),
            span({"langsmith.span.kind": "llm", **MODEL, **used(56, 5)}, id=2, parent=1),
        ],
        CALL,
    ),
    "LiteLLM's raw request": (
        [
            chat(id=1, scope="litellm", name="litellm_request"),
            span(used(56, 5), id=2, parent=1, scope="litellm", name="raw_gen_ai_request"),
        ],
        CALL,
    ),
    "a proxy in the same trace": (
        [chat(id=1, response_id=RESPONSE), chat(id=2, parent=1, kind="server", response_id=RESPONSE)],
        CALL,
    ),
    "a gateway in another trace": (
        [chat(id=1, response_id=RESPONSE), chat(id=2, trace=2, response_id=RESPONSE, scope="openrouter")],
        CALL,
    ),
    "OpenRouter's attempts": (
        [
            chat(id=1, name="LLM Generation", scope="openrouter"),
            chat(id=2, parent=1, name="generation", scope="openrouter"),
            chat(id=3, parent=2, name="provider attempt 1: OpenAI", scope="openrouter"),
        ],
        CALL,
    ),
    "Logfire's pending span": ([chat({"logfire.span_type": "pending_span"}, id=2, parent=1), chat(id=1)], CALL),
    "Claude's calls are told in part, the agent whole": (
        [
            agent(tokens=(100, 10), id=1, scope="logfire.claude_agent_sdk"),
            chat({"gen_ai.usage.partial.input_tokens": 5}, tokens=None, id=2, parent=1),
        ],
        [("agent", 100, 10)],
    ),
    "OpenInference for Claude's agents": (
        [
            span({"openinference.span.kind": "AGENT", **counted(100, 10)}, id=1),
            span({"openinference.span.kind": "LLM", "llm.model_name": "claude-sonnet-4-5"}, id=2, parent=1),
        ],
        [("agent", 100, 10)],
    ),
    "smolagents' totals of the run so far": (
        [
            span({"openinference.span.kind": "AGENT", **counted(113, 11)}, id=1),
            span({"openinference.span.kind": "CHAIN", **counted(113, 11)}, id=2, parent=1),
            span({"openinference.span.kind": "LLM", **counted(56, 5)}, id=3, parent=2),
        ],
        CALL,
    ),
    "BeeAI's events as spans": (
        [
            span({"openinference.span.kind": "LLM", **counted(56, 5)}, id=1, name="OpenAIChatModel"),
            span(
                {"openinference.span.kind": "LLM", **counted(56, 5)},
                id=2,
                parent=1,
                name="OpenAIChatModel.success",
                scope="openinference.instrumentation.beeai",
            ),
        ],
        CALL,
    ),
    "ADK's call and Google's client in it": (
        [
            span({**MODEL, **used(56, 5)}, name="call_llm", scope="gcp.vertex.agent", id=1),
            chat(id=2, parent=1, scope="opentelemetry.instrumentation.google_genai"),
        ],
        CALL,
    ),
    "LiveKit's node, request and attempt": (
        [
            span({}, name="llm_node", scope="livekit-agents", id=1),
            chat(id=2, parent=1, name="llm_request", scope="livekit-agents"),
            chat(id=3, parent=2, name="llm_request_run", scope="livekit-agents"),
        ],
        CALL,
    ),
    "Claude Code's span and log record": (
        [
            span(
                {"span.type": "llm_request", **CLAUDE_LOG},
                scope="com.anthropic.claude_code.tracing",
                name="claude_code.llm_request",
            ),
            log("claude_code.api_request", {**CLAUDE_LOG, "session.id": "s"}, span=None),
        ],
        CALL,
    ),
    "a coding agent's session and its calls": (
        [
            span({**MODEL, **used(200, 20)}, name="coding_agent.session", scope="openlit", id=1),
            chat(id=2, parent=1),
        ],
        CALL,
    ),
    "Mastra's steps and chunks": (
        [
            span({"mastra.span.type": "model_generation", **MODEL, **used(56, 5)}, id=1),
            span({"mastra.span.type": "model_step", **used(56, 5)}, id=2, parent=1),
            span({"mastra.span.type": "model_chunk", **used(56, 5)}, id=3, parent=2),
        ],
        CALL,
    ),
    "Strands and botocore in it": (
        [
            chat(id=1, provider="strands-agents", scope="strands.telemetry.tracer"),
            chat(
                id=2, parent=1, provider="aws.bedrock", scope="opentelemetry.instrumentation.botocore.bedrock-runtime"
            ),
        ],
        CALL,
    ),
}


@pytest.mark.parametrize("hazard", HAZARDS)
def test_each_token_bills_once(hazard: str) -> None:
    items, billed = HAZARDS[hazard]
    for order in (items, items[::-1]):
        ledger = Ledger()
        for item in order:
            ledger.add(item)
        told = [(run.type, run.usage) for run in ledger.runs if run.billable]
        assert sorted((kind, usage.input_tokens, usage.output_tokens) for kind, usage in told if usage) == billed
