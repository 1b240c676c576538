"""Which kind of run a span is: explicit attributes first, then names, then what facts it carries."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.dialects import KIND_SIGNALS, NAME_RULES, SCOPES
from spanledger.mapping.dialects.base import (
    AGENT,
    CHAIN,
    EMBED,
    FUNCTION,
    LLM,
    MERGE,
    RETRIEVER,
    SKIP,
    TOOL,
    WEAK_CHAIN,
    Kinds,
    SpanName,
)
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.mapping.shape import Shape, shape_of
from spanledger.model.span import Value

_CACHE_LIMIT: Final = 4096
_VECTOR_STORES: Final = frozenset(
    {"chroma", "chromadb", "pinecone", "qdrant", "weaviate", "milvus", "lancedb", "marqo", "pgvector", "astra"}
)
_MANUAL_SPANS: Final = frozenset(
    {"openlit", "openllmetry", "langfuse", "laminar", "mlflow", "braintrust", "lunary", "logfire"}
)
"""SDKs whose own tracer users take for spans of their own."""
_MUTE_FACTS: Final = frozenset(
    {
        "http_route", "http_status", "server_address", "api_base", "vector_db", "db_operation",
        "error_type", "error_message", "error_code", "error_stack",
    }
)  # fmt: skip
"""Slots that tell of no run, whatever they hold; of databases, those with vectors are looked at."""
_READ_OPERATIONS: Final = ("query", "search", "select", "get", "retrieve", "similarity")


def _signals(slots: tuple[str, ...]) -> list[tuple[str, Kinds]]:
    return [(slot, kinds) for slot, kinds in KIND_SIGNALS if slot in slots]


def kind_of(span: Facts, shape: Shape | None = None) -> str | None:
    """The kind of run (one of the constants of `dialects.base`), SKIP or MERGE for noise, None when nothing tells."""
    named = _kind_by_name(span.scope.name, span.name)
    if named is not None and named[1]:
        return named[0]
    if span.logfire_span_type == "log":
        if span.request_body is None:
            return SKIP
        if span.parent_span_id is not None:
            return MERGE  # the late half of a streamed model call; without a parent it stands alone
    facts = vars(span)
    for slot, kinds in (shape if shape is not None else shape_of(span)).of(_signals):
        value: Value = facts[slot]
        if value is not None:
            kind = _lookup(kinds, value)
            if kind is not None:
                if kind == CHAIN and span.operation == "response" and span.usage_input is not None:
                    return LLM  # the OpenAI Agents aggregator, where it is the only span with usage
                if kind == WEAK_CHAIN and (found := _infer(span)) in (LLM, EMBED):
                    return found  # Logfire's spans of clients before they told their operation
                if kind == SKIP and span.operation == "get_thread_run" and span.usage_input is not None:
                    return AGENT  # the poll that saw an Azure agent's run end: its usage stands nowhere else
                return kind
    if named is not None:
        return named[0]
    found = _infer(span) if facts else None
    if found is None and dialect_of_scope(span.scope.name) in _MANUAL_SPANS:
        return FUNCTION if span.tool_input is not None else WEAK_CHAIN
    return found


def is_mute(span: Facts) -> bool:
    """Whether a span is noise that bears on nothing: no event, no fact but those of HTTP and databases, and a name that
    stands for no run. Quicker than `kind_of`, whose answer it would be SKIP or None."""
    if span.events:
        return False
    facts = vars(span)
    if facts:
        if not _MUTE_FACTS.issuperset(facts):
            return False
        if "vector_db" in facts and str(facts["vector_db"]).lower() in _VECTOR_STORES:
            return False
    named = (span.scope.name, span.name)
    found = _mute_names.get(named)
    return _is_mute_name(named) if found is None else found


_mute_names: dict[tuple[str, str], bool] = {}
"""Scope and name → whether spans of that name are noise unless their facts say otherwise."""


def _is_mute_name(named: tuple[str, str]) -> bool:
    scope, name = named
    kind = _kind_by_name(scope, name)
    found = kind[0] == SKIP if kind is not None else dialect_of_scope(scope) not in _MANUAL_SPANS
    if len(scope) + len(name) <= _LONGEST_NAME:
        if len(_mute_names) >= _CACHE_LIMIT:
            _mute_names.clear()
        _mute_names[named] = found
    return found


def _lookup(kinds: Kinds, value: Value) -> str | None:
    if kinds.member:
        document = parse_json(value)[1]
        value = document.get(kinds.member) if isinstance(document, dict) else None
    if not isinstance(value, str):
        return None
    word = value.strip('" ').lower()
    kind = kinds.values.get(word)
    if kind is None:
        for suffix, named in kinds.suffixes:
            if word.endswith(suffix):
                return named
        kind = kinds.values.get("*")
    return kind


def _infer(span: Facts) -> str | None:
    """What the facts themselves say, where no attribute and no name does."""
    if span.request_body is not None and _asks_model(span.request_body):
        return LLM
    model = span.request_model is not None or span.response_model is not None
    messages = (
        span.input_messages is not None
        or span.output_messages is not None
        or span.prompt_indexed is not None
        or span.completion_indexed is not None
        or span.oi_input is not None
        or span.prompt is not None
    )
    usage = span.usage_input is not None or span.usage_output is not None
    if model and (usage or messages or span.provider is not None):
        if span.dimensions is not None or span.embed_input is not None or span.oi_embeddings is not None:
            return EMBED
        return LLM
    if (span.tool_call_id is not None or span.tool_name is not None) and not (model or messages or usage):
        return TOOL
    if span.retrieval_query is not None or span.retrieval_documents is not None or span.oi_documents is not None:
        return RETRIEVER
    if span.vector_db is not None and str(span.vector_db).lower() in _VECTOR_STORES:
        done = str(span.db_operation or span.name).lower()
        return RETRIEVER if any(word in done for word in _READ_OPERATIONS) else SKIP
    if span.workflow_name is not None and span.run_name is not None:
        return CHAIN
    return None


def _asks_model(body: Value) -> bool:
    """Whether a request body is that of a model call: it names a model, or holds a conversation."""
    document = parse_json(body)[1]
    return isinstance(document, dict) and not document.keys().isdisjoint(("model", "modelId", "messages", "contents"))


_LONGEST_NAME: Final = 256
_by_name: dict[tuple[str, str], tuple[str, bool] | None] = {}
_by_scope: dict[str, tuple[SpanName, ...]] = {}


def _kind_by_name(scope: str, span_name: str) -> tuple[str, bool] | None:
    """(kind, whether it beats attributes) by the name rules that hold for the scope."""
    cached = (scope, span_name)
    try:
        return _by_name[cached]
    except KeyError:
        pass
    rules = _by_scope.get(scope)
    if rules is None:
        rules = tuple(rule for rule in NAME_RULES if scope.startswith(rule.scope))
        if len(scope) <= _LONGEST_NAME:
            if len(_by_scope) >= _CACHE_LIMIT:
                _by_scope.clear()
            _by_scope[scope] = rules
    found = None
    for rule in rules:
        if rule.pattern.fullmatch(span_name):
            if rule.overrides:
                found = (rule.kind, True)
                break
            if found is None:
                found = (rule.kind, False)
    if len(scope) + len(span_name) <= _LONGEST_NAME:  # names come from outside: never grow without bound
        if len(_by_name) >= _CACHE_LIMIT:
            _by_name.clear()
        _by_name[cached] = found
    return found


_scope_dialect: dict[str, str | None] = {}


def dialect_of_scope(scope: str) -> str | None:
    """Code of the dialect that a scope name stands for."""
    try:
        return _scope_dialect[scope]
    except KeyError:
        pass
    found = None
    for prefix, code in SCOPES:
        if scope.startswith(prefix):
            found = code
            break
    if len(scope) <= _LONGEST_NAME:
        if len(_scope_dialect) >= _CACHE_LIMIT:
            _scope_dialect.clear()
        _scope_dialect[scope] = found
    return found
