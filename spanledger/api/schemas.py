"""JSON Schemas of the answers (draft 2020-12, as OpenAPI 3.1 has it). Runs and scores follow from the declaration of
the tables; what it says of a column is the description here."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from spanledger.exporters import schema as tables
from spanledger.exporters.schema import Table, Type

Schema: TypeAlias = dict[str, Any]

_TYPES: Final[dict[Type, Schema]] = {
    Type.WORD: {"type": "string"},
    Type.TEXT: {"type": "string"},
    Type.UUID: {"type": "string"},
    Type.TIME: {"type": "string", "format": "date-time"},
    Type.COUNT: {"type": "integer"},
    Type.INTEGER: {"type": "integer"},
    Type.NUMBER: {"type": "number"},
    Type.FLAG: {"type": "boolean"},
    Type.WORDS: {"type": "array", "items": {"type": "string"}},
    Type.COUNTS: {"type": "array", "items": {"type": "integer"}},
    Type.NUMBERS: {"type": "array", "items": {"type": "number"}},
    Type.LABELS: {"type": "object", "additionalProperties": {"type": "string"}},
    Type.MONEY: {"type": "string", "description": "USD, a decimal number"},
    Type.MONEYS: {"type": "object", "additionalProperties": {"type": "string"}},
    Type.JSON: {},
}


def nullable(schema: Schema) -> Schema:
    """Or null."""
    if not schema:
        return {}
    if isinstance(schema.get("type"), str):
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def record(*tables: Table) -> Schema:
    """The JSON of a record that is kept in these tables."""
    properties: dict[str, Schema] = {}
    nested: dict[str, dict[str, Schema]] = {}
    for table in tables:
        for column in table.columns:
            if column.path is None:
                continue
            kind = _TYPES[column.type] | {"description": column.doc}
            schema = nullable(kind) if column.optional and column.type is not Type.JSON else kind
            if column.type is Type.JSON:
                schema = {"description": column.doc}
            group, dot, leaf = column.path.partition(".")
            if dot:
                nested.setdefault(group, {})[leaf] = schema
            else:
                properties[group] = schema
    for group, members in nested.items():
        properties[group] = {"type": ["object", "null"], "properties": members}
    return {"type": "object", "properties": properties}


def _object(properties: dict[str, Schema], *, required: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": list(properties)} if required else schema


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_RUN: Final[Schema] = {"$ref": "#/components/schemas/Run"}
_GROUP: Final[Schema] = {"$ref": "#/components/schemas/Group"}
_INTEGER: Final[Schema] = {"type": "integer"}
_CURSOR: Final = nullable({"type": "string", "description": "for the next page; null at the end"})
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}

TOTALS: Final = _object(
    {
        "runs": _INTEGER,
        "errors": _INTEGER,
        "billable_runs": _INTEGER,
        "unpriced_runs": _INTEGER | {"description": "billable, of unknown cost: the true cost is higher"},
        **{
            name: nullable(_INTEGER)
            for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
        },
        "cost": nullable(_TYPES[Type.MONEY]),
    }
)
_QUANTILES: Final = nullable(
    _object(dict.fromkeys(("p50", "p90", "p95", "p99"), _INTEGER)) | {"description": "nanoseconds"}
)
_TIMES: Final = {"first_at": _TIME, "last_at": _TIME}
GROUP: Final = _object({**TOTALS["properties"], **_TIMES, "users": _INTEGER, "sessions": _INTEGER})
_LINE: Final = _object({**TOTALS["properties"], **_TIMES, "duration_ns": _QUANTILES, "ttft_ns": _QUANTILES})

RUN: Final = _RUN
RUNS: Final = _object({"data": _list(_RUN)})
_PAGE: Final[dict[str, Schema]] = {
    "data": _list(_RUN),
    "next_cursor": _CURSOR,
    "limit": _INTEGER,
    "page": _INTEGER,
}
RUN_PAGE: Final = _object(_PAGE) | {"properties": {**_PAGE, "searched_back_to": _TIME}}
COUNT: Final = _object({"count": _INTEGER})
USAGE: Final[Schema] = {"anyOf": [TOTALS, _list({"type": "object"})]}
SCORES: Final = _object({"data": _list({"$ref": "#/components/schemas/Score"})})
GROUP_PAGE: Final = _object(
    {"data": _list(_GROUP), "next_cursor": _CURSOR, "more": {"type": "boolean"}, "limit": _INTEGER}
)
THREAD: Final[Schema] = {"allOf": [_GROUP, _object({"id": {"type": "string"}, "runs": _list(_RUN)})]}
TURNS: Final = _object({"data": _list({"type": "object"}), "next_cursor": _CURSOR})
USER: Final[Schema] = {
    "allOf": [_GROUP, _object({"id": {"type": "string"}, "props": {"type": "object"}, "models": _list(_GROUP)})]
}
ANALYTICS: Final = _object(
    {
        "by": nullable({"type": "string"}),
        "interval": nullable({"type": "string"}),
        "totals": {"anyOf": [_LINE, {"type": "null"}]},
        "groups": _list({"allOf": [_LINE, _object({"key": nullable({"type": "string"})})]}),
        "series": _list({"allOf": [_LINE, _object({"at": _TIME, "key": nullable({"type": "string"})})]}),
    }
)
VALUES: Final = _object({"data": _list(_object({"value": {"type": "string"}, "runs": _INTEGER}))})
RESULTS: Final = _object(
    {
        "results": _list(
            {
                "type": "object",
                "properties": {
                    "id": nullable({"type": "string"}),
                    "success": {"type": "boolean"},
                    "error": {"type": "string"},
                },
                "required": ["id", "success"],
            }
        )
    }
)
EVENTS: Final = _object({"events": _list({"type": "object"})})
DOCUMENTS: Final = _list({"type": "object"})
INFERENCES: Final = _object({"inferences": _list({"type": "object"})})
FEEDBACK: Final = _object({"feedback_id": {"type": "string"}})
STATUS: Final[Schema] = {"type": "object"}
ERROR: Final = _object(
    {
        "error": {"type": "string"},
        "message": {"type": "string"},
        "details": _list(_object({name: {"type": "string"} for name in ("parameter", "found", "expected")})),
    }
)


def _run() -> Schema:
    schema = record(tables.RUNS, tables.RUN_PAYLOADS)
    schema["properties"]["cost"]["type"] = ["object", "number", "null"]  # a number in the shape of Lunary
    return schema


COMPONENTS: Final = {
    "Run": _run(),
    "Score": record(tables.SCORES),
    "Group": GROUP,
    "Error": ERROR,
}
