"""Every endpoint of the API, declared once: routes, the list at `/`, and the OpenAPI document follow from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from spanledger.api import schemas
from spanledger.api.analytics import ANALYTICS, GROUP_LIST, THREAD_TURNS, VALUES
from spanledger.api.parameters import DAILY, DAYS, FILTERS, LIST, SHAPE, USER_ID, Parameter


class Access(Enum):
    """Whose key it takes."""

    NONE = "none"
    PUBLIC = "public"
    """A public or a private key."""
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path. `handler`: the name under which the server has what answers."""

    method: str
    path: str
    handler: str
    summary: str
    tag: str
    answer: dict[str, Any]
    """JSON Schema of the answer."""
    parameters: tuple[Parameter, ...] = ()
    access: Access = Access.PRIVATE
    body: type[Any] | dict[str, Any] | None = None
    """What the body is: a msgspec struct, or a JSON Schema where the body is read otherwise."""
    status: int = 200
    media_types: tuple[str, ...] = ("application/json",)


ENDPOINTS: Final = (
    Endpoint("GET", "/v1/runs", "runs.list", "Runs, newest first", "runs", schemas.RUN_PAGE, LIST),
    Endpoint("GET", "/v1/runs/count", "runs.count", "How many runs match", "runs", schemas.COUNT, FILTERS),
    Endpoint(
        "GET",
        "/v1/runs/usage",
        "runs.usage",
        "Counts, tokens and cost over the runs that match; with `days` a list of lines by name and type, as Lunary's",
        "runs",
        schemas.USAGE,
        (*FILTERS, DAYS, DAILY, USER_ID),
    ),
    Endpoint("GET", "/v1/runs/{id}", "runs.one", "One run with its contents", "runs", schemas.RUN, (SHAPE,)),
    Endpoint("GET", "/v1/runs/{id}/related", "runs.related", "Every run of the same trace", "runs", schemas.RUNS),
    Endpoint("GET", "/v1/runs/{id}/scores", "runs.scores", "Scores and feedback of a run", "runs", schemas.SCORES),
    Endpoint("GET", "/v1/threads", "analytics.threads", "Conversations", "threads", schemas.GROUP_PAGE, GROUP_LIST),
    Endpoint("GET", "/v1/threads/{id}", "analytics.thread", "A conversation with its runs", "threads", schemas.THREAD),
    Endpoint(
        "GET",
        "/v1/threads/{id}/messages",
        "analytics.messages",
        "Turns of a conversation: the newest, in the order they were said",
        "threads",
        schemas.TURNS,
        THREAD_TURNS,
    ),
    Endpoint("GET", "/v1/users", "analytics.users", "Users with their usage", "users", schemas.GROUP_PAGE, GROUP_LIST),
    Endpoint("GET", "/v1/users/{id}", "analytics.user", "One user", "users", schemas.USER),
    Endpoint(
        "GET",
        "/v1/external-users",
        "analytics.users",
        "As /v1/users, under Lunary's name",
        "users",
        schemas.GROUP_PAGE,
        GROUP_LIST,
    ),
    Endpoint("GET", "/v1/external-users/{id}", "analytics.user", "As /v1/users/{id}", "users", schemas.USER),
    Endpoint(
        "GET",
        "/v1/analytics",
        "analytics.analytics",
        "Cost, tokens, errors and latency by fact and over time",
        "analytics",
        schemas.ANALYTICS,
        ANALYTICS,
    ),
    Endpoint(
        "GET",
        "/v1/filters/{field}",
        "analytics.values",
        "Values of a fact: models, tags, users, providers, types, names, environments, releases, services, statuses, "
        "threads",
        "analytics",
        schemas.VALUES,
        VALUES,
    ),
    Endpoint("GET", "/openapi.json", "openapi", "This document", "server", {"type": "object"}, access=Access.NONE),
    Endpoint("GET", "/health", "health", "Whether the API answers", "server", schemas.STATUS, access=Access.NONE),
    Endpoint("GET", "/v1/health", "health", "As /health", "server", schemas.STATUS, access=Access.NONE),
    Endpoint("GET", "/v1/version", "version", "Version of the server", "server", schemas.STATUS, access=Access.NONE),
)
