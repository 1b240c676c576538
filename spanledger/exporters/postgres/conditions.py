"""Conditions as SQL of Postgres."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from spanledger.exporters.conditions import (
    TOTAL_TOKENS,
    All,
    Compare,
    Condition,
    Kind,
    Labelled,
    Not,
    Op,
    Scored,
    Some,
    Tagged,
)
from spanledger.exporters.postgres.connection import identifier

Place: TypeAlias = Callable[[Any, str], str]
"""Takes a value and its type, gives its placeholder."""

_TOTAL: Final = (
    "CASE WHEN input_tokens IS NULL THEN output_tokens::numeric "
    "ELSE input_tokens::numeric + coalesce(output_tokens, 0) END"
)


class Compiler:
    """Writes conditions on rows of `runs`."""

    def __init__(self, schema: str, project: str, place: Place) -> None:
        """`project`: the placeholder of the project."""
        self._scores = f"{identifier(schema)}.scores"
        self._project = project
        self._place = place

    def sql(self, condition: Condition) -> str:
        """An expression that is true or false, never null."""
        match condition:
            case All(of):
                return f"({' AND '.join(map(self.sql, of))})" if of else "true"
            case Some(of):
                return f"({' OR '.join(map(self.sql, of))})" if of else "false"
            case Not(inner):
                return f"NOT ({self.sql(inner)})"
            case Tagged(tag):
                return f"tags @> ARRAY[{self._place(tag, 'text')}]"
            case Labelled(key, op, value):
                return self._labelled(key, op, value)
            case Scored(name, op, value):
                return self._scored(name, op, value)
            case Compare():
                return self._compare(condition)

    def _compare(self, compared: Compare) -> str:
        if compared.kind in (Kind.TEXT, Kind.UUID):
            return self._text(compared)
        column = _TOTAL if compared.field == TOTAL_TOKENS else identifier(compared.field)
        if compared.op is Op.EXISTS:
            return f"({column}) IS NOT NULL"
        if compared.kind is Kind.FLAG:
            column = f"{column}::int"
        placed = self._place(Decimal(compared.number()), "numeric")
        if compared.op is Op.NE:
            return f"(({column}) = {placed}) IS NOT TRUE"
        return f"(({column}) {compared.op} {placed}) IS TRUE"

    def _text(self, compared: Compare) -> str:
        column, kind, op = identifier(compared.field), compared.kind, compared.op
        shown = f"{column}::text" if kind is Kind.UUID else column
        if op is Op.EXISTS:
            return f"coalesce({shown}, '') <> ''"
        values = compared.texts()
        if op is Op.CONTAINS:
            return f"{self._contains(shown, values[0])} IS TRUE"
        if op not in (Op.EQ, Op.NE):
            return f"({column} <> '' AND {column} {op} {self._place(values[0], 'text')}) IS TRUE"
        if kind is Kind.UUID:
            values = compared.ids()
            held = f"({column} = ANY({self._place(values, 'uuid[]')}))"
        elif "" in values:
            held = f"(coalesce({column}, '') = ANY({self._place(values, 'text[]')}))"
        else:
            held = f"({column} = ANY({self._place(values, 'text[]')}))"
        return f"{held} IS {'NOT TRUE' if op is Op.NE else 'TRUE'}"

    def _contains(self, column: str, value: str) -> str:
        # Under the collation "C" lower() changes ASCII letters only, as ClickHouse's positionCaseInsensitive does.
        placed = self._place(value, "text")
        return f'(strpos(lower({column} COLLATE "C"), lower({placed} COLLATE "C")) > 0)'

    def _labelled(self, key: str, op: Op, value: str) -> str:
        name = self._place(key, "text")
        if op is Op.EXISTS:
            return f"(metadata ? {name})"
        if op is Op.CONTAINS:
            return f"{self._contains(f'(metadata ->> {name})', value)} IS TRUE"
        held = f"((metadata ->> {name}) = {self._place(value, 'text')})"
        return f"{held} IS {'NOT TRUE' if op is Op.NE else 'TRUE'}"

    def _scored(self, name: str, op: Op, value: str | float) -> str:
        if op is Op.EXISTS:
            compared = "true"
        elif isinstance(value, str):
            # Contents are JSON text, compared as such: a cast of what another writer left there could fail the list.
            sign = "<>" if op is Op.NE else "="
            compared = f"value {sign} {self._place(msgspec.json.encode(value).decode(), 'text')}"
        else:
            sign = "<>" if op is Op.NE else op
            compared = f"(value_number {sign} {self._place(float(value), 'double precision')}) IS TRUE"
        return (
            f"run_id IN (SELECT run_id FROM {self._scores} WHERE project_id = {self._project} "
            f"AND name = {self._place(name, 'text')} AND run_id IS NOT NULL "
            f"AND coalesce(value, 'null') <> 'null' AND {compared})"
        )
