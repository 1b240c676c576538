"""User, session, tags, metadata and deployment of a run, as the span and its resource state them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from spanledger.mapping.coerce import text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json, parse_printed
from spanledger.mapping.params import string_list
from spanledger.model.span import Resource, Value

_USER_KEYS: Final = (
    "lunary_user_id", "langfuse_user_id", "langfuseUserId", "user_id", "userId", "user.id", "user", "customer_id",
    "customerId", "ls_user_id",
)  # fmt: skip
_SESSION_KEYS: Final = (
    "lunary_thread_id", "langfuse_session_id", "langfuseSessionId", "session_id", "sessionId", "session.id",
    "thread_id", "threadId", "conversation_id", "conversationId", "chat_id", "chatId",
)  # fmt: skip
_WHO: Final = frozenset(_USER_KEYS + _SESSION_KEYS)
_USER_PROPS_KEYS: Final = ("lunary_user_props", "user_props", "userProps")
_TAG_KEYS: Final = ("tags", "labels", "langfuse_tags", "lunary_tags")
_NO_METADATA: Final = frozenset(_TAG_KEYS + _USER_PROPS_KEYS)
_STATED_BY: Final = (
    "user_id", "session_id", "user_props", "user", "tags", "meta", "meta_document", "requester_metadata",
)  # fmt: skip
"""Slots that anything below is read from."""
_HIDDEN_TAGS: Final = ("seq:step:", "graph:step:", "langsmith:")
_CHAIN_SESSION: Final = ("resp_",)  # OpenAI response chaining puts the previous response id here: it changes each turn
_PLACEHOLDERS: Final = frozenset({"", "none", "null", "undefined"})

_KNOWN_NAMESPACES: Final = (
    "gen_ai.", "ai.", "llm.", "http.", "net.", "url.", "server.", "client.", "network.", "rpc.", "db.", "code.",
    "thread.", "process.", "os.", "host.", "telemetry.", "otel.", "aws.", "azure.", "az.", "gcp.", "openai.",
    "anthropic.", "logfire.", "langfuse.", "langsmith.", "lmnr.", "mlflow.", "traceloop.", "mastra.", "haystack.",
    "crewai.", "crew_", "task_", "input.", "output.", "tool.", "embedding.", "retrieval.", "reranker.", "pydantic_ai.",
    "event_loop.", "genkit:", "spring.", "lk.", "gcp.vertex.", "llamaindex.", "function.", "messaging.", "faas.",
    "cloud.", "k8s.", "container.", "service.", "exception.", "error.", "user_agent.", "mcp.", "jsonrpc.", "next.",
    "operation.", "resource.", "smolagents.", "dspy.", "instructor.", "openlit.", "ls_", "lc_", "langgraph_",
    "langwatch.", "langtrace.",
    "braintrust.", "wandb.", "weave.", "peer.", "enduser.", "graph.", "agent.", "session.", "vcs.", "sentry.",
    "deployment.",
)  # fmt: skip
_SECRET_ENDINGS: Final = ("authorization", "api-key", "api_key", "apikey", "cookie", "set-cookie", "x-goog-api-key")
_SECRET_IN_TEXT: Final = re.compile(
    r"""(["'](?:authorization|[a-z-]*api[-_]?key|cookie|set-cookie|x-goog-api-key)["']\s*:\s*["'])([^"']*)(["'])""",
    re.IGNORECASE,
)
_LONGEST_METADATA: Final = 512
"""Characters; longer texts are contents."""
_LONGEST_KEY: Final = 256
"""Characters of keys that are remembered: they come from outside."""
_PLAIN_ATTRIBUTES: Final = frozenset(
    {"async", "count", "duration", "retry_attempts", "request", "response", "checkpoint_ns"}
)


class Context:
    """User, session, tags and metadata of one span."""

    __slots__ = ("metadata", "session_id", "tags", "user_id", "user_props")

    def __init__(self) -> None:
        self.user_id: str | None = None
        self.user_props: dict[str, Value] | None = None
        self.session_id: str | None = None
        self.tags: list[str] = []
        self.metadata: dict[str, str] = {}


def context_of(span: Facts) -> Context:
    """The context that a span states about itself; nothing is inherited here."""
    context = Context()
    if vars(span).keys().isdisjoint(_STATED_BY):
        return context
    documents = list(_documents(span))
    stated = {key for document in documents for key in document}
    context.user_id = text(span.user_id) or _first(documents, _USER_KEYS, stated)
    context.session_id = _session(span, documents, stated)
    props = parse_json(span.user_props)[1] if span.user_props is not None else None
    for document in documents if not stated.isdisjoint(_USER_PROPS_KEYS) else ():
        if props is None:
            for key in _USER_PROPS_KEYS:
                if key in document:
                    props = parse_json(document[key])[1]
    if not isinstance(props, dict):
        props = {key: value for key, value in span.user.items() if key != "id"} if span.user else None
    context.user_props = props or None
    if span.tags is not None:
        context.tags = tags_of(span.tags)
    for document in documents:
        for key in _TAG_KEYS if not stated.isdisjoint(_TAG_KEYS) else ():
            if key in document:
                context.tags = list(dict.fromkeys([*context.tags, *tags_of(document[key])]))
        for key, value in document.items():
            if key not in _NO_METADATA:
                _note(context.metadata, key, value)
    for key in [name for name in context.metadata if name in _WHO]:
        held = context.metadata[key]
        if held in (context.user_id, context.session_id):
            del context.metadata[key]
    return context


def custom_attributes(span: Facts, metadata: dict[str, str]) -> dict[str, Value]:
    """Split what no slot took: short scalars of nobody's namespace are the user's own metadata; the rest is returned
    as the run's attributes."""
    left: dict[str, Value] = {}
    for key, received in span.rest.items():
        value = received
        treatment = _TREATMENTS.get(key)
        if treatment is None:
            treatment = _treat(key)
        if treatment & _GUARDED or isinstance(value, dict):
            value = _without_secrets(key, value)
        if (
            treatment & _OF_USER
            and (len(value) <= _LONGEST_METADATA if isinstance(value, str) else isinstance(value, (int, float)))
            and key not in metadata
        ):
            _note(metadata, key, value)
        else:
            left[key] = value
    return left


_OF_USER, _GUARDED = 1, 2
"""The key is in nobody's namespace; its values may hold what nobody may see."""
_TREATMENTS: dict[str, int] = {}
_MOST_KEYS: Final = 4096


def _treat(key: str) -> int:
    """How values of a key are treated. Keys come from outside: few and short ones are remembered."""
    low = key.lower()
    is_guarded = low.endswith((*_SECRET_ENDINGS, "_ref")) or "header" in low or low == "hidden_params"
    is_of_user = key not in _PLAIN_ATTRIBUTES and not key.startswith(_KNOWN_NAMESPACES)
    treatment = _GUARDED * is_guarded | _OF_USER * is_of_user
    if len(key) <= _LONGEST_KEY:
        if len(_TREATMENTS) >= _MOST_KEYS:
            _TREATMENTS.clear()
        _TREATMENTS[key] = treatment
    return treatment


def _without_secrets(key: str, value: Value) -> Value:
    """Some SDKs put the request's headers on spans, API keys and cookies included."""
    if isinstance(value, (bool, int, float)):
        return value
    low = key.lower()
    if low.endswith(_SECRET_ENDINGS):
        return "[redacted]"
    if isinstance(value, str) and ("header" in low or low == "hidden_params"):
        return _SECRET_IN_TEXT.sub(r"\1[redacted]\3", value)
    if isinstance(value, str) and low.endswith("_ref") and "://" in value:
        return value.partition("?")[0]  # where contents were uploaded to; a signature may stand in the query
    if isinstance(value, dict):
        return {inner: _without_secrets(str(inner), held) for inner, held in value.items()}
    return value


def _documents(span: Facts) -> Iterable[dict[str, Value]]:
    if span.meta is not None:
        yield span.meta
    document = parse_json(span.meta_document)[1] if span.meta_document is not None else None
    if isinstance(document, dict):
        yield document
    if span.requester_metadata is not None:
        document = parse_printed(span.requester_metadata)
        yield document if isinstance(document, dict) else {"requester_metadata": span.requester_metadata}


def _first(documents: list[dict[str, Value]], keys: tuple[str, ...], stated: set[str]) -> str | None:
    """The first of these keys that a document tells. `stated` are the keys of all documents."""
    for key in keys if not stated.isdisjoint(keys) else ():
        for document in documents:
            found = _unquoted(document[key]) if key in document else None
            if found is not None and found.lower() not in _PLACEHOLDERS:
                return found
    return None


def _session(span: Facts, documents: list[dict[str, Value]], stated: set[str]) -> str | None:
    own = text(span.session_id)
    if own is not None and own.startswith(_CHAIN_SESSION):
        own = None
    return own or _first(documents, _SESSION_KEYS, stated)


def tags_of(value: Value) -> list[str]:
    """Tags from a list, a JSON list, a comma-separated string or a single word; framework internals are dropped."""
    found = string_list(value)
    if len(found) == 1 and isinstance(value, str) and "," in value and value[:1] != "[":
        found = [part.strip() for part in value.split(",")]
    return list(dict.fromkeys(tag for tag in found if tag and not tag.startswith(_HIDDEN_TAGS)))


def _unquoted(value: Value) -> str | None:
    """Langfuse and MLflow write metadata values as JSON: `"x"` is the string x."""
    found = text(value)
    if found is not None and found[0] == '"' and len(found) > 1 and found[-1] == '"':
        _, inner = parse_json(found)
        return text(inner)
    return found


def _note(metadata: dict[str, str], key: str, value: Value) -> None:
    """Add a metadata entry as a string; nested values as JSON text."""
    if value is None or value == "":
        return
    treatment = _TREATMENTS.get(key)
    if (_treat(key) if treatment is None else treatment) & _GUARDED or isinstance(value, dict):
        value = _without_secrets(key, value)
    if isinstance(value, str):
        written = value.strip()
        metadata[key] = written if written and written[0] != '"' else _unquoted(value) or value
    elif isinstance(value, bool):
        metadata[key] = "true" if value else "false"
    elif isinstance(value, (int, float)):
        metadata[key] = _unquoted(value) or str(value)
    elif isinstance(value, bytes):
        metadata[key] = value.decode("utf-8", "replace")
    elif value:
        metadata[key] = msgspec.json.encode(value).decode()


class Deployment:
    """What a resource says of the service. One object serves all spans of the resource."""

    __slots__ = ("environment", "release", "service_name", "service_version", "session_id", "user_id")

    def __init__(self, resource: Resource) -> None:
        attributes = resource.attributes
        self.environment = text(attributes.get("deployment.environment.name")) or text(
            attributes.get("deployment.environment")
        )
        name = text(attributes.get("service.name"))
        self.service_name = None if name is None or name.startswith("unknown_service") else name
        self.service_version = text(attributes.get("service.version"))
        self.release = self.service_version or text(attributes.get("vcs.ref.head.revision"))
        self.user_id = text(attributes.get("user.id")) or text(attributes.get("lunary.user_id"))
        self.session_id = text(attributes.get("session.id")) or text(attributes.get("lunary.thread_id"))
