"""Answers and errors: JSON, an error as `{"error", "message", "details"}`. Nothing of the inside comes out: no SQL, no
traceback."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web

from spanledger.access.caller import Caller
from spanledger.api.parameters import InvalidParameters
from spanledger.errors import (
    LogError,
    NotServed,
    Overloaded,
    PayloadError,
    PayloadTooLarge,
    PermissionDenied,
    StoreError,
    Throttled,
    Unauthenticated,
)

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER: Final = web.RequestKey("caller", Caller)
HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_RETRY_AFTER: Final = "1"


def project_of(request: web.Request) -> str:
    """The project of the caller's key."""
    return request[CALLER].project_id


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A value as JSON."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={**HEADERS, **(headers or {})},
    )


async def json_body(request: web.Request, type_: Any) -> Any:
    """The body as a value of a type. Raises `PayloadError` when it is no JSON, `InvalidParameters` when it is another
    value than expected."""
    body = await request.read()
    try:
        plain = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(f"the body is not JSON: {error}") from None
    try:
        return msgspec.convert(plain, type_)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at ")
        place = where.strip("`").removeprefix("$.").removeprefix("$") or "body"
        raise InvalidParameters([{"parameter": place, "found": "", "expected": said[:200]}]) from None


def failed(status: int, error: str, message: str, details: Any = None, **headers: str) -> web.Response:
    """An error."""
    body = {"error": error, "message": message, "details": [] if details is None else details}
    return answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes an answer."""
    try:
        return await handler(request)
    except InvalidParameters as error:
        return failed(422, "invalid_parameters", str(error), error.details)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return failed(405, "method_not_allowed", f"expected {allowed}", Allow=allowed)
    except web.HTTPNotFound as error:
        known = error.reason if error.reason != "Not Found" else "nothing is served here; GET / lists the endpoints"
        return failed(404, "not_found", known)
    except web.HTTPRequestEntityTooLarge:
        return failed(413, "too_large", "the body is too large")
    except web.HTTPException as error:
        return failed(error.status, "refused", error.reason)
    except NotServed as error:
        return failed(404, "not_served", str(error))
    except PayloadTooLarge as error:
        return failed(413, "too_large", str(error))
    except (PayloadError, web.RequestPayloadError) as error:
        return failed(400, "bad_request", str(error)[:500])
    except Unauthenticated as error:
        return failed(401, "unauthenticated", str(error), WWW_Authenticate="Bearer")
    except PermissionDenied as error:
        return failed(403, "forbidden", str(error))
    except Throttled as error:
        return failed(429, "throttled", str(error), Retry_After=_seconds(error.retry_after))
    except Overloaded as error:
        return failed(503, "overloaded", str(error), Retry_After=_seconds(error.retry_after))
    except StoreError as error:
        logger.warning("%s %s: %s", request.method, request.rel_url.path, error)
        return failed(503, "store_unavailable", "the store does not answer now", Retry_After=_RETRY_AFTER)
    except LogError as error:
        logger.error("%s %s: %s", request.method, request.rel_url.path, error)
        return failed(503, "log_unavailable", "nothing can be accepted now", Retry_After="5")
    except Exception:
        logger.exception("%s %s failed", request.method, request.rel_url.path)
        return failed(500, "internal", "the server made a mistake; its log says more")


def _seconds(delay: float) -> str:
    return str(max(1, round(delay + 0.5)))
