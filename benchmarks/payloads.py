"""Requests to measure with, the same bytes on every machine: recorded spans with ids of their own, and spans built in
code."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

RECORDED = Path(__file__).parent.parent / "tests" / "corpus"
_START = 1_772_359_200_000_000_000
_WORDS = ("order", "status", "shipped", "naïve", "façade", "注文", "доставка", "customer", "please", "because")
_SERIES = 1_000_000
_ID = re.compile(rb"(chatcmpl-|resp_|msg_|call_|toolu_)[\w-]{6}(?=[\w-]{10})")
"""The beginning of an id that a provider made: of a response, a message, a tool call."""
_SERVICE = {"service.name": "benchmark", "service.version": "1.4.2"}

Source = tuple[Resource, InstrumentationScope, Span]


@dataclass(frozen=True, slots=True)
class Mix:
    """Bodies of trace requests, and what is in them."""

    bodies: list[bytes]
    spans: int
    attributes: int

    @property
    def bytes(self) -> int:
        return sum(map(len, self.bodies))


def recorded(requests: int, spans: int, series: int = 0) -> Mix:
    """A: what SDKs sent, one recording of each family in turn, model calls and the steps around them."""
    return _mix(requests, spans, _recorded_spans(series))


def mixed(requests: int, spans: int, series: int = 0) -> Mix:
    """B: a service's spans: one in five is recorded as in A, the others are HTTP and database spans."""
    recording = _recorded_spans(series)
    plain = _built_spans(series, _http_attributes)
    return _mix(requests, spans, (next(recording if at % 5 == 0 else plain) for at in itertools.count()))


def small(requests: int, spans: int, series: int = 0) -> Mix:
    """C: spans of two attributes, as telemetrygen sends them."""
    return _mix(requests, spans, _built_spans(series, _telemetrygen_attributes))


def long(requests: int, spans: int, series: int = 0) -> Mix:
    """L: model calls with about 2 kB of messages, half of them not Latin: 40 % Vercel AI SDK, 35 % indexed messages
    (OpenLLMetry), 25 % the semantic conventions' JSON."""
    return _mix(requests, spans, _built_spans(series, _llm_attributes))


MIXES: dict[str, Callable[..., Mix]] = {"A": recorded, "B": mixed, "C": small, "L": long}
"""Requests, spans of each, and the number of a series: the traces of different series have different ids, and spans
that a receiver has seen before are not mapped again."""


def _mix(requests: int, spans: int, sources: Iterator[Source]) -> Mix:
    bodies = []
    attributes = 0
    for _ in range(requests):
        request = ExportTraceServiceRequest()
        held: tuple[Resource, InstrumentationScope] | None = None
        for resource, scope, span in itertools.islice(sources, spans):
            if held is None or held[0] is not resource:
                request.resource_spans.add().resource.CopyFrom(resource)
            if held is None or held[0] is not resource or held[1] is not scope:
                request.resource_spans[-1].scope_spans.add().scope.CopyFrom(scope)
            held = (resource, scope)
            request.resource_spans[-1].scope_spans[-1].spans.append(span)
            attributes += len(span.attributes)
        bodies.append(request.SerializeToString())
    return Mix(bodies, requests * spans, attributes)


def _recorded_spans(series: int) -> Iterator[Source]:
    """Endless. Each turn has traces, responses, tool calls and times of its own: one response told by many traces at
    once would be another load, of calls to be billed once."""
    bodies = [file.read_bytes() for file in sorted(RECORDED.glob("*/traces-*.pb"))]
    for turn in itertools.count(series * _SERIES + 1):
        later = turn * 1_000_000 + turn % _SERIES * 10_000_000_000
        for body in bodies:
            request = ExportTraceServiceRequest.FromString(_ID.sub(rb"\g<1>%06x" % (turn % 2**24), body))
            for group in request.resource_spans:
                resource = group.resource
                for scope_group in group.scope_spans:
                    scope = scope_group.scope
                    for span in scope_group.spans:
                        span.trace_id = bytes(
                            a ^ b for a, b in zip(span.trace_id, turn.to_bytes(16, "big"), strict=True)
                        )
                        span.start_time_unix_nano += later
                        span.end_time_unix_nano += later
                        for event in span.events:
                            event.time_unix_nano += later
                        yield resource, scope, span


def _built_spans(series: int, attributes: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> Iterator[Source]:
    """Endless; traces of four spans."""
    generator = random.Random(series)
    resource = Resource(attributes=_encoded(_SERVICE))
    scope = InstrumentationScope(name="benchmark", version="1")
    for number in itertools.count(series * _SERIES):
        name, values = attributes(generator)
        yield (
            resource,
            scope,
            Span(
                trace_id=(number // 4 + 1).to_bytes(16, "big"),
                span_id=(number + 1).to_bytes(8, "big"),
                parent_span_id=b"" if number % 4 == 0 else (number // 4 * 4 + 1).to_bytes(8, "big"),
                name=name,
                kind=Span.SPAN_KIND_CLIENT,
                start_time_unix_nano=_START + number * 1_000_000,
                end_time_unix_nano=_START + number * 1_000_000 + 900_000_000,
                attributes=_encoded(values),
            ),
        )


def _telemetrygen_attributes(generator: random.Random) -> tuple[str, dict[str, Any]]:
    return "okey-dokey-0", {"net.sock.peer.addr": "192.0.2.4", "peer.service": "telemetrygen-client"}


def _text(generator: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        words.append(generator.choice(_WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


def _conversation(generator: random.Random) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": _text(generator, 400)},
        {"role": "user", "content": _text(generator, 600)},
        {"role": "assistant", "content": _text(generator, 400)},
        {"role": "user", "content": _text(generator, 200)},
    ]


def _llm_attributes(generator: random.Random) -> tuple[str, dict[str, Any]]:
    dialect = generator.random()
    messages, answer = _conversation(generator), _text(generator, 400)
    given, got = generator.randrange(200, 2000), generator.randrange(20, 400)
    common: dict[str, Any] = {
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{generator.randrange(10**12)}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.usage.input_tokens": given,
        "gen_ai.usage.output_tokens": got,
        "user.id": f"user-{generator.randrange(1000)}",
        "session.id": f"session-{generator.randrange(10000)}",
        "deployment.environment": "production",
        **{f"app.detail.{number}": _text(generator, 24) for number in range(8)},
    }
    if dialect < 0.4:
        return "ai.generateText.doGenerate", {
            **common,
            "operation.name": "ai.generateText.doGenerate order-desk",
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.telemetry.functionId": "order-desk",
            "ai.telemetry.metadata.userId": common["user.id"],
            "ai.telemetry.metadata.plan": "team",
            "ai.model.id": "gpt-4o-mini",
            "ai.model.provider": "openai.chat",
            "ai.prompt.messages": json.dumps(messages, ensure_ascii=False),
            "ai.response.text": answer,
            "ai.response.finishReason": "stop",
            "ai.response.id": common["gen_ai.response.id"],
            "ai.response.model": "gpt-4o-mini-2024-07-18",
            "ai.usage.inputTokens": given,
            "ai.usage.outputTokens": got,
            "ai.settings.maxRetries": 2,
        }
    if dialect < 0.75:
        indexed = {
            f"gen_ai.prompt.{at}.{key}": value for at, message in enumerate(messages) for key, value in message.items()
        }
        return "openai.chat", {
            **common,
            **indexed,
            "gen_ai.system": "openai",
            "llm.request.type": "chat",
            "llm.is_streaming": False,
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": answer,
            "gen_ai.completion.0.finish_reason": "stop",
            "llm.usage.total_tokens": given + got,
        }
    parts = [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in messages]
    output = [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
    return "chat gpt-4o-mini", {
        **common,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.input.messages": json.dumps(parts, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps(output, ensure_ascii=False),
        "gen_ai.response.finish_reasons": ["stop"],
        "server.address": "api.openai.com",
        "server.port": 443,
    }


def _http_attributes(generator: random.Random) -> tuple[str, dict[str, Any]]:
    return "GET /orders/{id}", {
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
        "http.response.status_code": 200,
        "url.full": f"https://shop.example/orders/{generator.randrange(10**6)}",
        "server.address": "shop.example",
        "server.port": 443,
        "network.protocol.version": "1.1",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
        "client.address": "192.0.2.17",
        "db.system.name": "postgresql",
        "db.query.text": "SELECT * FROM orders WHERE id = $1",
        "db.namespace": "shop",
        "thread.id": generator.randrange(64),
    }


def _encoded(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        encoded = AnyValue()
        encoded.array_value.values.extend(_value(item) for item in value)
        return encoded
    return AnyValue(string_value=value)
