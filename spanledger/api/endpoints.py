"""Every endpoint of the API, declared once: routes, the list at `/`, and the OpenAPI document follow from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from spanledger.api import schemas
from spanledger.api.analytics import ANALYTICS, GROUP_LIST, THREAD_TURNS, VALUES
from spanledger.api.edits import Tags, Visibility
from spanledger.api.export import EXPORT
from spanledger.api.ingest import Feedback, GivenScore
from spanledger.api.lsd import GetInferences, ListInferences
from spanledger.api.lsd_feedback import GivenFeedback
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
    Endpoint(
        "GET",
        "/v1/runs/export",
        "export.runs",
        "Everything that matches, as it is read",
        "runs",
        {"type": "string"},
        EXPORT,
        media_types=("application/jsonl", "text/csv"),
    ),
    Endpoint(
        "POST",
        "/v1/runs/ingest",
        "ingest.lunary",
        "Events of Lunary's SDKs; a result for each",
        "ingest",
        schemas.RESULTS,
        access=Access.PUBLIC,
        body=schemas.EVENTS,
    ),
    Endpoint(
        "POST",
        "/api/report",
        "ingest.lunary",
        "As /v1/runs/ingest, for old SDKs",
        "ingest",
        schemas.RESULTS,
        access=Access.PUBLIC,
        body=schemas.EVENTS,
    ),
    Endpoint(
        "POST",
        "/v1/logs/gateway",
        "ingest.gateway",
        "A gateway's request log: an array of documents, or one a line",
        "ingest",
        schemas.RESULTS,
        access=Access.PUBLIC,
        body=schemas.DOCUMENTS,
    ),
    Endpoint("GET", "/v1/runs/{id}", "runs.one", "One run with its contents", "runs", schemas.RUN, (SHAPE,)),
    Endpoint(
        "GET",
        "/v1/runs/{id}/public",
        "runs.public",
        "One run, where it is visible to all",
        "runs",
        schemas.RUN,
        access=Access.PUBLIC,
    ),
    Endpoint("GET", "/v1/runs/{id}/related", "runs.related", "Every run of the same trace", "runs", schemas.RUNS),
    Endpoint("GET", "/v1/runs/{id}/scores", "runs.scores", "Scores and feedback of a run", "runs", schemas.SCORES),
    Endpoint(
        "GET",
        "/v1/runs/{id}/feedback",
        "runs.feedback",
        "What a user thought of a run",
        "runs",
        {"type": "object"},
        access=Access.PUBLIC,
    ),
    Endpoint(
        "PATCH",
        "/v1/runs/{id}/feedback",
        "ingest.feedback",
        "Say what a user thought; null takes it back",
        "runs",
        {"type": "object"},
        body=Feedback,
    ),
    Endpoint(
        "PATCH", "/v1/runs/{id}/score", "ingest.score", "Score a run", "runs", {"type": "object"}, body=GivenScore
    ),
    Endpoint("PATCH", "/v1/runs/{id}/tags", "edits.tags", "Replace the tags", "runs", {"type": "object"}, body=Tags),
    Endpoint(
        "PATCH",
        "/v1/runs/{id}/visibility",
        "edits.visibility",
        "Show the run to everyone, or no longer",
        "runs",
        {"type": "object"},
        body=Visibility,
    ),
    Endpoint("DELETE", "/v1/runs/{id}", "edits.delete", "Delete a run for good", "runs", {}, status=204),
    Endpoint(
        "POST",
        "/v1/inferences/list_inferences",
        "inferences.listed",
        "Model calls, as LSD's clients ask for them",
        "inferences",
        schemas.INFERENCES,
        body=ListInferences,
    ),
    Endpoint(
        "POST",
        "/v1/inferences/get_inferences",
        "inferences.get",
        "Model calls by their ids",
        "inferences",
        schemas.INFERENCES,
        body=GetInferences,
    ),
    *(
        Endpoint(
            "POST",
            path,
            "lsd.give",
            "Feedback as LSD's clients give it",
            "inferences",
            schemas.FEEDBACK,
            body=GivenFeedback,
        )
        for path in ("/v1/feedback", "/feedback")
    ),
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
        "DELETE", "/v1/users/{id}", "edits.delete_user", "Delete a user with all runs for good", "users", {}, status=204
    ),
    Endpoint(
        "DELETE", "/v1/external-users/{id}", "edits.delete_user", "As DELETE /v1/users/{id}", "users", {}, status=204
    ),
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
