"""One span to one run, from the span's own facts alone. What only the whole trace can tell comes in `tree`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from spanledger.mapping import agents, content, documents, kind, plain
from spanledger.mapping import messages as shapes
from spanledger.mapping.bodies import BodyFacts, finish_of_status, response_facts
from spanledger.mapping.coerce import flag, money, number, text
from spanledger.mapping.context import Context, Deployment, context_of, custom_attributes
from spanledger.mapping.cost import Call
from spanledger.mapping.dialects import EVENT_TABLES, MARKERS
from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    EVALUATOR,
    FUNCTION,
    GUARDRAIL,
    LLM,
    MERGE,
    RERANK,
    RETRIEVER,
    SKIP,
    TOOL,
    WEAK_CHAIN,
    WRAP,
)  # fmt: skip
from spanledger.mapping.facts import Facts
from spanledger.mapping.failure import failure_of, last_exception
from spanledger.mapping.framework_answers import Told, mentions_answers
from spanledger.mapping.leftover import put_back
from spanledger.mapping.messages import parse_json
from spanledger.mapping.messages.jsontext import repair_json
from spanledger.mapping.params import params_of, streaming_of
from spanledger.mapping.provider import of_provider, provider_of
from spanledger.mapping.shape import Shape, shape_of
from spanledger.mapping.times import duration_of, first_token_ns, tells_stream
from spanledger.mapping.usage import usage_of
from spanledger.model.ids import run_id_of_span
from spanledger.model.records import Cost, Run, RunError
from spanledger.model.span import SPAN_KINDS, Event, Resource, Value

_MODEL_CALLS: Final = (LLM, EMBED, RERANK)
_READ_EVENTS: Final = (
    "gen_ai.system.", "gen_ai.developer.", "gen_ai.user.", "gen_ai.assistant.", "gen_ai.tool.", "gen_ai.choice",
    "gen_ai.content.", "gen_ai.unknown", "gen_ai.client.inference.", "gen_ai.evaluation",
)  # fmt: skip
_OPERATION_SLOTS: Final = ("operation", "kind_vercel", "kind_langfuse", "kind_openinference", "kind_langsmith",
                    "kind_mastra", "kind_genkit", "kind_openllmetry", "llm_request_type")  # fmt: skip
_AGENT_SLOTS: Final = (
    ("id", "agent_id"), ("name", "agent_name"), ("description", "agent_description"), ("version", "agent_version"),
)  # fmt: skip
_PROMPT_SLOTS: Final = ("prompt_name", "prompt_version", "prompt_template", "prompt_variables", "prompt_variable")
_COST_SLOTS: Final = (
    "cost_billed", "provider_metadata", "cost_total", "cost_document", "cost_input", "cost_output",
)  # fmt: skip
_BILLED_BY: Final = ("openrouter", "vercel", "litellm_proxy")
_NAME_PREFIXES: Final = (
    "execute_tool ", "invoke_agent ", "invoke_workflow ", "running tool: ", "agent_run [", "create_agent ",
    "Tool: ", "tools/call ", "anthropic.tool_use ", "retrieval ", "rerank ", "embeddings ", "chat ",
    "langchain4j.aiservices.", "langchain4j.tools.",
)  # fmt: skip
_NAME_SUFFIXES: Final = (
    ".workflow", ".task", ".agent", ".tool", ".chat", ".mcp",
    ".__call__", ".kickoff", "._execute_core",  # the method that OpenInference wrapped, after the name of its object
)  # fmt: skip
_AGENT_METHODS: Final = (".run", ".arun", ".run_stream", ".on_messages", ".on_messages_stream", ".invoke", ".ainvoke")
"""The same on agents: smolagents' `geo_agent.run`, AutoGen's `geo_agent.on_messages_stream`."""
TOOL_CLASSES: Final = frozenset({"DynamicStructuredTool", "DynamicTool", "StructuredTool", "BaseTool", "FunctionTool"})
"""Names of classes that stand where a tool's name belongs."""
_USELESS_NAMES: Final = frozenset({"", "tool", "agent", "chat", "execute_tool", "invoke_agent"})


_EMBEDDING_MODEL: Final = re.compile(r"(^|[./_-])embed(ding|dings)?([./:_-]|$)")
_GENKIT_MODELS: Final = ("model", "background-model", "embedder")
"""Genkit's actions that call a model are named after it: `googleai/gemini-2.5-flash`."""
_MODEL_IN_NAME: Final = re.compile(r"(chat|text_completion|generate_content|embeddings) (\S+)")


class Draft:
    """A span's contribution to its trace. `run` is complete but for parents, inheritance, billing and cost."""

    __slots__ = (
        "context", "deployment", "kind", "parent_span_id", "price_hints", "priced", "reported", "run", "span", "told",
    )  # fmt: skip

    def __init__(self, span: Facts, kind_found: str, context: Context, deployment: Deployment) -> None:
        self.span = span
        self.kind = kind_found
        """A run type, or SKIP, MERGE, WRAP, WEAK_CHAIN, FUNCTION."""
        self.context = context
        self.deployment = deployment
        self.parent_span_id: str | None = span.parent_span_id
        self.run: Run | None = None
        self.reported: Decimal | None = None
        self.price_hints: dict[str, Value] = {}
        self.priced: tuple[Call, Cost] | None = None
        """What it cost when it was last asked for."""
        self.told: Told | None = None
        """A framework's messages in the input and output of a chain."""


class Mute(Draft):
    """A span that says nothing, and has no more than a place in the tree."""

    __slots__ = ()

    def __init__(self, span: Facts) -> None:
        self.span = span
        self.parent_span_id = span.parent_span_id
        self.kind = SKIP
        self.context = _NO_CONTEXT
        self.deployment = _NO_DEPLOYMENT
        self.run = self.reported = self.priced = self.told = None


_NO_CONTEXT: Final = Context()
_NO_DEPLOYMENT: Final = Deployment(Resource())


def draft_of(project_id: str, span: Facts, events: list[Event], deployment: Deployment) -> Draft:
    """Map one span. `events` are its own events and the log records that belong to it, in order of time."""
    plain.open_typed(span)
    shape = shape_of(span)
    found = kind.kind_of(span, shape)
    if found == LLM and _embeds(span):
        found = EMBED
    draft = Draft(span, found if found is not None else SKIP, context_of(span), deployment)
    if span.parent_override is not None:
        override = text(span.parent_override)
        if override is not None:
            draft.parent_span_id = override.replace("-", "")[-16:]
    if draft.kind not in (SKIP, MERGE, WRAP):
        draft.run = _run(project_id, draft, shape, events, deployment)
        if draft.run.type in (AGENT, CHAIN) and mentions_answers(span.raw_input, span.raw_output):
            draft.told = Told(
                draft.run,
                plain.plain_input(span) if _is_conversation(draft.run.input) else draft.run.input,
                plain.plain_output(span) if _is_conversation(draft.run.output) else draft.run.output,
            )
    return draft


def _run(project_id: str, draft: Draft, shape: Shape, events: list[Event], deployment: Deployment) -> Run:
    span, context = draft.span, draft.context
    warnings = list(span.repairs)
    run_type = {WEAK_CHAIN: CHAIN, FUNCTION: TOOL}.get(draft.kind, draft.kind)
    request = _document(span.request_body)
    if request is None:
        request = _request_like(span.raw_input) or _request_like(span.prompt) or _titan_request(span.parameters)
    body = _document(span.response_body)
    response = body if body is not None else _document_if_json(span.raw_output)
    if response is None:
        response = _document_if_json(span.completion)
    facts = response_facts(response) if run_type in _MODEL_CALLS and response is not None else BodyFacts()
    request_model = _request_model(span, request)
    stated = text(span.request_model)  # traceAI writes the answered model here
    model = text(span.response_model) or facts.model or text(span.model_name)
    model = model or (stated.removeprefix("models/") if stated is not None else request_model)
    if request_model is None:
        request_model = text(span.model_name)
    if model is None and run_type in _MODEL_CALLS:  # Braintrust keeps them among the metadata
        model = request_model = context.metadata.get("model")
    provider, provider_raw = provider_of(span, request_model or model)
    if not (provider == "openai" and "openai" in span.scope.name):  # whose client knows of no routes but a gateway's
        routed = "litellm" in span.scope.name.lower()
        request_model = of_provider(request_model, provider, routed=routed)
        model = of_provider(model, provider, routed=routed)
    dialect = kind.dialect_of_scope(span.scope.name)
    status, error = failure_of(span, events)
    if status == "success" and isinstance(body, dict) and (code := text(body.get("error_code"))) is not None:
        status, error = "error", RunError(type=code, message=text(body.get("error_message")))  # ADK
    custom = custom_attributes(span, context.metadata)
    duration = duration_of(span, warnings)
    run = Run(
        project_id=project_id,
        run_id=run_id_of_span(project_id, span.trace_id, span.span_id),
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        type=run_type,
        operation=_operation(span, shape),
        name=_name(span, run_type, request_model or model),
        span_name=span.name,
        span_kind=SPAN_KINDS[span.kind] if 0 <= span.kind < len(SPAN_KINDS) else SPAN_KINDS[0],
        dialects=_dialects(span, shape, dialect),
        status=status,
        error=error,
        started_at=span.start_ns,
        ended_at=span.end_ns or None,
        duration_ns=duration,
        user_id=context.user_id,
        user_props=context.user_props,
        session_id=context.session_id,
        tags=context.tags,
        metadata=context.metadata,
        environment=text(span.environment) or deployment.environment,
        release=text(span.release) or deployment.release,
        service_name=text(span.service_name) or deployment.service_name,
        service_version=deployment.service_version,
        scope_name=span.scope.name or None,
        scope_version=span.scope.version or None,
        attributes=custom,
        warnings=warnings,
    )
    if span.logfire_span_type == "log" and not duration:
        _begin_earlier(run, span)
    if run_type == TOOL:
        _name_by_result(run, span)
        _name_by_step(run, span)
    _prompt(run, span)
    if run_type in _MODEL_CALLS or (run_type in (AGENT, CHAIN) and (request_model or span.usage_input is not None)):
        run.provider, run.provider_raw = provider, provider_raw
        run.request_model, run.model = request_model, model
        run.usage = usage_of(span, shape, provider, dialect, facts.usage, warnings)
        draft.reported = _reported_cost(draft, run)
    if run_type in _MODEL_CALLS:
        run.response_id = text(span.response_id) or facts.response_id
        if run.response_id is None and dialect in ("coding_agents", "vllm"):
            run.response_id = text(span.request_id)  # what two reports of one request have in common
        run.params = params_of(span, request)
        run.streaming = streaming_of(span, request)
        if run.streaming is None and events and tells_stream(events):
            run.streaming = True
        run.tools = content.tools_of(span, request, warnings)
        run.ttft_ns = first_token_ns(span, events, duration)
    _content(run, span, shape, events, request, response, warnings)
    _identity(run, span, shape)
    if run_type == LLM:
        run.finish_reasons = _finish_reasons(span, facts, run.output)
        draft.price_hints["service_tier"] = _service_tier(span, run)
        draft.price_hints["cached"] = _answered_from_cache(span)
    put_back(run, span, shape)
    left = _left_events(span.events, last_exception(events) if error is not None else None)
    if left:
        run.attributes["span.events"] = left
    if span.links:
        run.attributes["span.links"] = [
            {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": link.attributes} for link in span.links
        ]
    if span.dropped_attributes:
        warnings.append("dropped_attributes")
    return run


def _is_conversation(value: Value) -> bool:
    """Whether a value is messages in the normal form, no longer as received."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "parts" in value[0]


def _embeds(span: Facts) -> bool:
    """Whether a model call is told of as a completion, but its model only embeds (Bedrock's `invoke_model`)."""
    model = text(span.request_model) or text(span.model_name)
    return (
        model is not None
        and "embed" in model
        and _EMBEDDING_MODEL.search(model) is not None
        and span.oi_output is None
        and span.output_messages is None
        and span.completion_indexed is None
    )


def _document(value: Value) -> Value:
    """A decoded JSON document, as far as it goes where it was cut off (a body begins with its id), or None."""
    if value is None:
        return None
    ok, parsed = parse_json(value)
    if not ok and isinstance(value, str):
        repaired = repair_json(value)
        parsed = repaired[0] if repaired is not None else None
    return parsed if isinstance(parsed, (dict, list)) else None


def _document_if_json(value: Value) -> Value:
    if isinstance(value, (dict, list)):
        return value
    if isinstance(value, (str, bytes)) and value[:1] in ("{", "[", b"{", b"["):
        return _document(value)
    return None


def _request_like(value: Value) -> Value:
    """A raw input that is a provider's request body: an object with a model or messages of its own."""
    document = _document_if_json(value)
    if isinstance(document, dict) and isinstance(document.get("args"), list) and document["args"]:
        document = document["args"][0]  # LangSmith wraps the call's arguments
    if isinstance(document, dict) and ("model" in document or "messages" in document or "modelId" in document
                                       or "contents" in document or "input" in document):  # fmt: skip
        return document
    return None


def _titan_request(parameters: Value) -> Value:
    """OpenInference for Bedrock writes the whole request of Titan models as parameters."""
    if isinstance(parameters, str) and '"inputText"' in parameters:
        return _document(parameters)
    return None


def _request_model(span: Facts, request: Value) -> str | None:
    found = text(span.request_model)
    if span.parameters is not None and (found is None or getattr(span, "kind_traceai", None) is not None):
        # traceAI writes the answered model over the one asked for, which the parameters keep
        document = parse_json(span.parameters)[1]
        if isinstance(document, dict):
            found = text(document.get("model")) or text(document.get("model_name")) or text(document.get("modelId"))
    if found is None and isinstance(request, dict):
        found = text(request.get("model")) or text(request.get("modelId")) or text(request.get("model_id"))
    if found is None and span.meta is not None:
        found = text(span.meta.get("ls_model_name"))
    if found is None and getattr(span, "kind_genkit", None) in _GENKIT_MODELS:
        found = text(span.run_name)
    if found is None:
        told = _MODEL_IN_NAME.fullmatch(span.name)
        found = told[2] if told is not None else None
    return found.removeprefix("models/") if found is not None else None


def _operations(slots: tuple[str, ...]) -> list[str]:
    return [slot for slot in _OPERATION_SLOTS if slot in slots]


def _operation(span: Facts, shape: Shape) -> str | None:
    for slot in shape.of(_operations):
        if (found := text(getattr(span, slot))) is not None:
            return found
    return None


def _name(span: Facts, run_type: str, model: str | None) -> str:
    """The name that the application gave; for model calls without one the model, at last the span's name."""
    explicit = plain.name_text(span.run_name)
    if run_type == TOOL:
        chosen = text(span.tool_name) or explicit or text(span.component_name)
    elif run_type == AGENT:
        chosen = text(span.agent_name) or explicit or text(span.function_id) or text(span.component_name)
    elif run_type in _MODEL_CALLS:
        chosen = text(span.function_id)
        if chosen is None and getattr(span, "kind_langfuse", None) is not None:
            chosen = span.name
        if chosen is None and explicit is not None and run_type != LLM:
            chosen = explicit
        chosen = chosen or model or text(span.component_name)
    elif run_type in (RETRIEVER, GUARDRAIL, EVALUATOR):
        chosen = explicit or text(span.component_name)
    else:
        chosen = explicit or text(span.function_id)
        if chosen is None and (span.operation == "invoke_workflow" or span.name.endswith(".workflow")):
            chosen = text(span.workflow_name)
        if chosen is None and span.operation == "agent_step":
            chosen = span.name
        chosen = chosen or text(span.component_name) or plain.name_text(span.message_text)
        if chosen is None and span.agent_name is not None and span.name.startswith("invoke_agent"):
            chosen = text(span.agent_name)
    if chosen is not None and chosen not in _USELESS_NAMES:
        return chosen
    bare = _bare_name(span.name)
    if run_type == AGENT:
        bare = next((bare[: -len(method)] for method in _AGENT_METHODS if bare.endswith(method)), bare)
    return bare or chosen or span.name


def _bare_name(name: str) -> str:
    """A span name without the operation that conventions put around the real name."""
    for prefix in _NAME_PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
            if prefix.endswith("["):
                name = name.rstrip("]")
            break
    for suffix in _NAME_SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _markers(slots: tuple[str, ...]) -> list[tuple[str, str]]:
    """The marks among these slots, of each its first dialect."""
    found: dict[str, str] = {}
    for slot, code in MARKERS:
        if slot in slots:
            found.setdefault(slot, code)
    return list(found.items())


def _dialects(span: Facts, shape: Shape, by_scope: str | None) -> list[str]:
    found = [by_scope] if by_scope is not None else []
    for slot, code in shape.of(_markers):
        if code not in found and getattr(span, slot) is not None:
            found.append(code)
    if span.operation is not None and "otel" not in found:
        found.append("otel")
    if span.system is not None and span.provider is None and "otel_legacy" not in found:
        found.append("otel_legacy")
    return found


def _begin_earlier(run: Run, span: Facts) -> None:
    """Logfire's record of a streamed call is written at its end, and tells how long it took."""
    seconds = number(span.rest.get("duration"))
    if seconds is not None and 0 < seconds < 86_400:
        run.duration_ns = round(seconds * 1e9)
        run.started_at = span.start_ns - run.duration_ns


def _name_by_result(run: Run, span: Facts) -> None:
    """LangChain for JavaScript names the tool's class; the message that the tool returned has its name and call."""
    if run.name in TOOL_CLASSES:
        message = plain.tool_message(span.tool_output if span.tool_output is not None else span.raw_output)
        run.name = text(message.get("name")) or run.name
        run.tool = {"name": run.name}
        if (call_id := text(message.get("tool_call_id"))) is not None:
            run.tool["call_id"] = call_id


def _name_by_step(run: Run, span: Facts) -> None:
    """LlamaIndex' own spans are named after the tool's class; the event that they handle tells which call it is."""
    call = agents.call_in_step(span)
    if (name := text(call.get("tool_name"))) is not None:
        run.name = name
        run.tool = {"name": name}
        if (call_id := text(call.get("tool_id"))) is not None:
            run.tool["call_id"] = call_id


def _agent_slots(slots: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(key, slot) for key, slot in _AGENT_SLOTS if slot in slots]


def _identity(run: Run, span: Facts, shape: Shape) -> None:
    agent: dict[str, Value] = {}
    for key, slot in shape.of(_agent_slots):
        if (found := text(getattr(span, slot))) is not None:
            agent[key] = found
    if "name" not in agent:
        signed = agents.name_in_values(run.output, run.input) if run.type in (AGENT, CHAIN) else None
        named = agents.name_in_metadata(span) or signed
        if named is None and "id" in agent:
            named = agents.name_in_id(agent["id"])
        if named is not None:
            agent["name"] = named
    if agent:
        run.agent = agent
    if run.type == TOOL:
        tool = dict(run.tool or {})
        for key, value in (
            ("name", span.tool_name),
            ("call_id", span.tool_call_id),
            ("type", span.tool_type),
            ("description", span.tool_description),
        ):
            found = text(value)
            if found is not None:
                tool.setdefault(key, found)
        run.tool = tool or {"name": run.name}
    elif span.tool_name is not None:  # OpenLIT writes the tools that a chat asked for on the chat span
        run.attributes.setdefault("gen_ai.tool.name", span.tool_name)


def _prompt(run: Run, span: Facts) -> None:
    if "lc_hub_repo" in run.metadata:  # a prompt of LangChain's hub
        run.prompt = {"name": run.metadata["lc_hub_repo"]}
        if "lc_hub_commit_hash" in run.metadata:
            run.prompt["version"] = run.metadata["lc_hub_commit_hash"]
    if vars(span).keys().isdisjoint(_PROMPT_SLOTS):
        return
    prompt: dict[str, Value] = {}
    if (found := text(span.prompt_name)) is not None:
        if kind.dialect_of_scope(span.scope.name) == "coding_agents":
            run.metadata["prompt.id"] = found  # Claude Code numbers what its user typed; it is no template
        else:
            prompt["name"] = found
    if (found := text(span.prompt_version)) is not None:
        prompt["version"] = found
    if span.prompt_template is not None:
        prompt["template"] = span.prompt_template
    variables = parse_json(span.prompt_variables)[1] if span.prompt_variables is not None else span.prompt_variable
    if variables:
        prompt["variables"] = variables
    if prompt:
        run.prompt = prompt


def _reported_cost(draft: Draft, run: Run) -> Decimal | None:
    span = draft.span
    if vars(span).keys().isdisjoint(_COST_SLOTS):
        draft.price_hints["reported_billed"] = run.provider in _BILLED_BY
        return None
    billed = money(span.cost_billed)
    draft.price_hints["reported_billed"] = (billed is not None and billed > 0) or run.provider in _BILLED_BY
    if billed is not None:
        return billed
    gateway = _gateway_cost(span)
    if gateway is not None:
        draft.price_hints["reported_billed"] = True
        return gateway
    total = money(span.cost_total)
    if total is not None:
        return total
    document = parse_json(span.cost_document)[1] if span.cost_document is not None else None
    if isinstance(document, dict):
        total = money(document.get("total"))
        if total is not None:
            return total
        parts = [money(value) for value in document.values()]
        known = [part for part in parts if part is not None]
        return sum(known, Decimal(0)) if known else None
    both = (money(span.cost_input), money(span.cost_output))
    if both[0] is not None and both[1] is not None:
        return both[0] + both[1]
    return None


def _gateway_cost(span: Facts) -> Decimal | None:
    """What Vercel's AI Gateway billed; AI SDK keeps it among the provider's metadata: `{"gateway": {"cost": "…"}}`."""
    if span.provider_metadata is None:
        return None
    document = parse_json(span.provider_metadata)[1]
    gateway = document.get("gateway") if isinstance(document, dict) else None
    cost = money(gateway.get("cost")) if isinstance(gateway, dict) else None
    return cost if cost else None


def _service_tier(span: Facts, run: Run) -> str | None:
    """`batch`, or the tier that the answer names, else the request: what was asked for is not always what was given."""
    if flag(span.batch):
        return "batch"
    return text(span.response_service_tier) or text(run.params.get("service_tier"))


def _answered_from_cache(span: Facts) -> bool:
    kind_said = getattr(span, "kind_laminar", None)
    return bool(flag(span.cached)) or (isinstance(kind_said, str) and kind_said.upper() == "CACHED")


def _content(
    run: Run, span: Facts, shape: Shape, events: list[Event], request: Value, response: Value, warnings: list[str]
) -> None:
    if run.type == LLM:
        said = content.messages_of_events(events, warnings)
        asked, offered = shapes.split_definitions(content.model_input(span, shape, said, request, warnings))
        run.input = asked or None
        if offered and not run.tools:
            run.tools = offered
        if (length := number(span.original_length)) is not None and length > len(asked):
            warnings.append("earlier_messages_omitted")
        run.output = content.model_output(span, shape, said, response, warnings) or None
    elif run.type == EMBED:
        run.input = documents.embed_texts(span, request, warnings)
        size = documents.vector_size(span)
        if size is not None:
            run.params.setdefault("dimensions", size)
    elif run.type == TOOL:
        run.input = plain.tool_input(span, events)
        if run.input is None:
            run.input = agents.call_in_step(span).get("tool_kwargs")
        run.output = plain.tool_output(span, events)
    elif run.type == RETRIEVER:
        run.input = documents.query_of(span)
        run.output = documents.documents_of(span, events)
    elif run.type == RERANK:
        query, given = documents.query_of(span), documents.rerank_documents(span)
        run.input = {"query": query, "documents": given} if given else query
        run.output = documents.ranking_of(span) or documents.documents_of(span, events)
    else:
        _conversation_content(run, span, shape, events, request, response, warnings)


def _conversation_content(
    run: Run, span: Facts, shape: Shape, events: list[Event], request: Value, response: Value, warnings: list[str]
) -> None:
    """Agents and chains: messages where they carry messages, else the value as received."""
    said = content.messages_of_events(events, warnings) if run.type == AGENT else content.EventMessages()
    plain_in, plain_out = plain.plain_input(span), plain.plain_output(span)
    has_messages = (
        span.input_messages is not None
        or span.vercel_prompt is not None
        or span.oi_input is not None
        or span.prompt_indexed is not None
        or span.conversation is not None
        or span.conversation_events is not None
        or bool(said.input)
    )
    if has_messages or (run.type == AGENT and plain.looks_like_messages(plain_in)):
        run.input = content.model_input(span, shape, said, request, warnings) or plain_in
    else:
        run.input = plain_in
    answers = (
        span.output_messages is not None
        or span.vercel_text is not None
        or span.vercel_object is not None
        or span.vercel_tool_calls is not None
        or span.oi_output is not None
        or span.completion_indexed is not None
        or bool(said.output)
    )
    if span.final_result is not None:
        run.output = plain_out
    elif answers or span.conversation is not None or span.conversation_events is not None:
        run.output = content.model_output(span, shape, said, response, warnings) or plain_out
    else:
        run.output = plain_out


def _finish_reasons(span: Facts, facts: BodyFacts, output: Value) -> list[str]:
    if span.finish_reasons is not None:
        found = shapes.finish_reasons(span.finish_reasons)
        if found:
            return found
    if facts.raw_finish is not None:
        found = shapes.finish_reasons(facts.raw_finish)
        if found:
            return found
    reasons: list[str] = []
    if isinstance(output, list):
        for message in output:
            reason = message.get("finish_reason")
            if isinstance(reason, str) and reason:
                reasons.extend(shapes.finish_reasons(reason))
        reasons = list(dict.fromkeys(reasons))
    if not reasons and facts.finish is not None:
        reasons = shapes.finish_reasons(facts.finish)
    if not reasons and span.meta is not None:  # Langfuse keeps what the stream ended with as metadata
        reason = plain.name_text(span.meta.get("finish_reason")) or finish_of_status(span.meta.get("status"))
        reasons = shapes.finish_reasons(reason) if reason is not None else []
    return reasons


def _left_events(events: list[Event], told: Event | None) -> list[dict[str, Value]]:
    """Events that became neither messages nor the error, so that nothing received is lost."""
    return [
        {"name": event.name, "time_ns": event.time_ns, "attributes": event.attributes}
        for event in events
        if event is not told and not event.name.startswith(_READ_EVENTS) and event.name not in EVENT_TABLES
    ]
