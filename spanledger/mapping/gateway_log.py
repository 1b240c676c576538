"""A gateway's request log (one document per completion, as Noveum's gateway writes it) to runs.

A document holds the provider's own request and response. Of a streamed answer it holds the chunks besides the
assembled answer (`streamed_data`): they are folded, and count where the two differ. A document is whole in itself, so
a run is made of one alone, and the same document makes the same run.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from spanledger.mapping import messages as shapes
from spanledger.mapping.bodies import response_facts
from spanledger.mapping.capture import CapturePolicy
from spanledger.mapping.client_values import flat_metadata, time_ns
from spanledger.mapping.coerce import number, text
from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.facts import Facts
from spanledger.mapping.params import params_of
from spanledger.mapping.provider import canonical, of_model
from spanledger.mapping.shape import Shape
from spanledger.mapping.threads import thread_version
from spanledger.mapping.usage import usage_of
from spanledger.model.ids import run_id_of_client, thread_id, uuid8
from spanledger.model.records import Record, Run, RunError, Thread
from spanledger.model.span import Value

_MILLISECOND: Final = 1_000_000
_MAX_CHOICES: Final = 128
_TOLD: Final = ("projectId", "projectName", "latency", "tokens", "cost", "status", "provider_request_id")
"""Keys of the document's metadata that became facts, or name a tenant of the gateway's."""


class GatewayMapper:
    """Makes runs of documents; remembers nothing."""

    def __init__(self, prices: PriceList, capture: CapturePolicy | None = None) -> None:
        self._prices = prices
        self._capture = capture

    def add(self, project_id: str, document: dict[str, Any], received_ns: int) -> list[Record]:
        """The run of a document, and its thread."""
        attributes = _object(document.get("attributes"))
        request, response = _object(attributes.get("request")), _object(attributes.get("response"))
        about, resource = _object(attributes.get("metadata")), _object(document.get("resource"))
        warnings: list[str] = []
        chunks = response.get("streamed_data")
        answer = _folded(response, chunks, warnings) if isinstance(chunks, list) and chunks else _assembled(response)
        facts = response_facts(answer)
        latency = number(about.get("latency"))
        ended = time_ns(document.get("timestamp")) or received_ns
        duration = max(0, int(latency * _MILLISECOND)) if latency is not None and latency < 1e12 else None
        external = text(attributes.get("id")) or text(answer.get("id"))
        run = Run(
            project_id=project_id,
            run_id=run_id_of_client(project_id, external) if external else _content_id(project_id, document),
            external_id=external,
            type="llm",
            operation="chat",
            name="",
            dialects=["gateway_log"],
            started_at=max(0, ended - (duration or 0)),
            ended_at=ended,
            duration_ns=duration,
            provider_raw=text(attributes.get("provider")),
            request_model=text(attributes.get("model")) or text(request.get("model")),
            model=facts.model,
            response_id=text(answer.get("id")) or facts.response_id,
            streaming=bool(request.get("stream")) if "stream" in request else None,
            user_id=text(attributes.get("user_id")) or text(request.get("user")),
            session_id=text(attributes.get("threadId")),
            metadata=flat_metadata({key: value for key, value in about.items() if key not in _TOLD}),
            environment=text(resource.get("deployment.environment")),
            service_name=text(resource.get("service.name")),
            service_version=text(resource.get("service.version")),
            warnings=warnings,
            source="gateway_log",
        )
        for name in ("org_id", "project_id"):
            if (tenant := text(attributes.get(name))) is not None:
                run.metadata[f"gateway.{name}"] = tenant
        if (request_id := text(about.get("provider_request_id"))) is not None:
            run.metadata["provider_request_id"] = request_id
        run.model = run.model or run.request_model
        run.name = run.request_model or run.model or "chat"
        run.provider = canonical(run.provider_raw) if run.provider_raw else of_model(run.model or "")
        run.params = params_of(Facts(), request)
        if tools := request.get("tools") or request.get("functions"):
            run.tools = shapes.tool_definitions(tools, warnings=warnings, key="request.tools")
        run.input = shapes.request_messages(request, warnings=warnings, key="request") or None
        run.output = shapes.response_messages(answer, warnings=warnings, key="response") or None
        run.finish_reasons = shapes.finish_reasons(facts.finish) if facts.finish is not None else []
        self._outcome(run, about, answer)
        counters = facts.usage or _vendor_usage(answer) or _object(about.get("tokens"))
        run.usage = usage_of(Facts(), Shape(()), run.provider, None, counters or None, warnings)
        self._price(run, about)
        if self._capture is not None:
            self._capture.apply(run)
        return [run, *_threads(run)]

    @staticmethod
    def _outcome(run: Run, about: dict[str, Any], answer: dict[str, Any]) -> None:
        status, error = text(about.get("status")), _object(answer.get("error"))
        if error or (status is not None and status.lower() not in ("success", "ok", "200", "completed")):
            run.status = "error"
            message = text(error.get("message")) or status
            run.error = RunError(type=text(error.get("type")), message=message, code=text(error.get("code")))

    def _price(self, run: Run, about: dict[str, Any]) -> None:
        run.billable = run.usage is not None
        if run.usage is None:
            return
        reported = number(about.get("cost"))
        run.cost = self._prices.cost(
            Call(
                provider=run.provider,
                request_model=run.request_model,
                model=run.model,
                usage=run.usage,
                at_ns=run.started_at,
                reported=Decimal(str(reported)) if reported is not None and reported >= 0 else None,
                type=run.type,
            )
        )
        if run.usage.output_tokens and run.duration_ns:
            run.tokens_per_second = round(run.usage.output_tokens * 1e9 / run.duration_ns, 3)


def _content_id(project_id: str, document: dict[str, Any]) -> str:
    """The id of a document that names none: the same document is the same run."""
    return uuid8("gateway", project_id, repr(document))


def _threads(run: Run) -> list[Record]:
    if run.session_id is None:
        return []
    return [
        Thread(
            project_id=run.project_id,
            thread_id=thread_id(run.project_id, run.session_id),
            session_id=run.session_id,
            user_id=run.user_id,
            started_at=run.started_at,
            version=thread_version(run.started_at, run.user_id),
        )
    ]


def _assembled(response: dict[str, Any]) -> dict[str, Any]:
    """The answer with `delta` in the place of `message`, where a gateway left it."""
    choices = [
        {**choice, "message": choice["delta"]}
        if "message" not in choice and isinstance(choice.get("delta"), dict)
        else choice
        for choice in _objects(response.get("choices"))
    ]
    return {**response, "choices": choices} if choices else response


def _folded(response: dict[str, Any], chunks: list[Any], warnings: list[str]) -> dict[str, Any]:
    """One answer from the chunks of a stream: contents joined per choice, tool calls by their index, the last finish
    reason. What the chunks do not say (usage, a vendor's fields) is the assembled response's."""
    choices: dict[int, dict[str, Any]] = {}
    whole = {key: value for key, value in response.items() if key != "streamed_data"}
    for chunk in _objects(chunks):
        whole.update({key: chunk[key] for key in ("usage", "x_groq", "model", "id") if chunk.get(key)})
        for choice in _objects(chunk.get("choices")):
            index = choice.get("index")
            at = index if isinstance(index, int) and 0 <= index < _MAX_CHOICES else 0
            held = choices.setdefault(at, {"index": at, "finish_reason": None, "message": {}, "texts": {}, "calls": {}})
            held["finish_reason"] = choice.get("finish_reason") or held["finish_reason"]
            _fold_delta(held, _object(choice.get("delta")))
    folded = []
    for _, held in sorted(choices.items()):
        message = held["message"] | {name: "".join(pieces) for name, pieces in held["texts"].items()}
        message.setdefault("role", "assistant")
        if held["calls"]:
            message["tool_calls"] = [
                {**call, "function": {**call["function"], "arguments": "".join(call["arguments"])}}
                for _, call in sorted(held["calls"].items())
            ]
            for call in message["tool_calls"]:
                del call["arguments"]
        folded.append({"index": held["index"], "finish_reason": held["finish_reason"], "message": message})
    said = [_content(choice) for choice in _objects(_assembled(response).get("choices"))]
    if any(said) and said != [_content(choice) for choice in folded]:
        warnings.append("stream_differs")
    return {**whole, "choices": folded}


def _fold_delta(held: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            for number_, call in enumerate(_objects(value)):
                index = call.get("index")
                at = index if isinstance(index, int) else number_
                known = held["calls"].setdefault(at, {"type": "function", "function": {}, "arguments": []})
                function = _object(call.get("function"))
                known.update({key: call[key] for key in ("id", "type") if call.get(key)})
                if function.get("name"):
                    known["function"]["name"] = function["name"]
                if isinstance(function.get("arguments"), str):
                    known["arguments"].append(function["arguments"])
        elif name == "role":
            held["message"]["role"] = value or "assistant"
        elif isinstance(value, str):
            held["texts"].setdefault(name, []).append(value)
        elif value is not None:
            held["message"][name] = value


def _content(choice: dict[str, Any]) -> Value:
    return _object(choice.get("message")).get("content") or None


def _vendor_usage(answer: dict[str, Any]) -> dict[str, Any]:
    """Groq puts the usage of a stream into a field of its own."""
    return _object(_object(answer.get("x_groq")).get("usage"))


def _object(value: Value) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Value) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
