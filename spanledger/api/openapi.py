"""The OpenAPI 3.1 document, made from the declarations in `endpoints`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec

from spanledger._version import __version__
from spanledger.api.endpoints import ENDPOINTS, Access, Endpoint
from spanledger.api.parameters import Parameter
from spanledger.api.schemas import COMPONENTS

Json: TypeAlias = dict[str, Any]

_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_ERRORS: Final = {
    400: "The body cannot be decoded",
    401: "No key, or one that is not known",
    403: "The key is not good for this",
    404: "Nothing has this id, or this API only reads",
    413: "The body is too large",
    422: "Parameters that cannot be used; `details` names each",
    429: "The project has sent all it may for now",
    503: "The store or the log is not available; send it again after Retry-After seconds",
}


@cache
def document() -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    schemas: Json = dict(COMPONENTS)
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spanledger",
            "version": __version__,
            "description": "Reads the ledger, and takes what clients tell it. Times are RFC 3339, money is text.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(endpoint: Endpoint, schemas: Json) -> Json:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _IN_PATH.findall(endpoint.path)
    ]
    operation: Json = {
        "operationId": f"{endpoint.method.lower()} {endpoint.path}",
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [*in_path, *map(_parameter, endpoint.parameters)],
        "responses": {str(endpoint.status): _answer(endpoint), **_errors(endpoint)},
    }
    if endpoint.access is Access.NONE:
        operation["security"] = []
    if endpoint.body is not None:
        schema = endpoint.body
        if isinstance(schema, type):
            (schema,), found = msgspec.json.schema_components([schema], ref_template="#/components/schemas/{name}")
            schemas.update(found)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameter(parameter: Parameter) -> Json:
    schema = parameter.schema
    if parameter.many:
        schema = {"type": "array", "items": schema, "maxItems": 100}
    return {"name": parameter.name, "in": "query", "description": parameter.doc, "schema": schema, "explode": True}


def _answer(endpoint: Endpoint) -> Json:
    if endpoint.status == 204:
        return {"description": "Done"}
    return {
        "description": "Done",
        "content": {media_type: {"schema": endpoint.answer} for media_type in endpoint.media_types},
    }


def _errors(endpoint: Endpoint) -> Json:
    codes = [] if endpoint.access is Access.NONE else [401, 422, 503]
    if endpoint.access is Access.PRIVATE:
        codes.append(403)
    if "{" in endpoint.path or endpoint.tag == "ingest":
        codes.append(404)
    if endpoint.body is not None:
        codes += [400, 413, 429]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(code): {"description": _ERRORS[code], "content": error} for code in sorted(codes)}
