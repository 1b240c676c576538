"""Conditions as SQL of ClickHouse. Texts are never NULL there: `''` is an unknown text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from spanledger.exporters.clickhouse.tables import identifier
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
from spanledger.exporters.schema import SCORES

Parameters: TypeAlias = dict[str, str | int | Sequence[str] | Sequence[tuple[str, str]]]

_TOTAL: Final = "if(input_tokens IS NULL, output_tokens, input_tokens + ifNull(output_tokens, 0))"


class Compiler:
    """Writes conditions on rows of `runs`, with the values as parameters `c0`, `c1`, …"""

    def __init__(self, database: str, parameters: Parameters, runs: str | None = None) -> None:
        """`parameters` must hold `project`, and gets the values. `runs` names the parameter with the ids of the only
        runs that are looked at: then the scores of no others are read."""
        self._runs = runs
        self._scores = f"{identifier(database)}.{identifier(SCORES.name)}"
        self._parameters = parameters

    def sql(self, condition: Condition) -> str:
        """An expression that is 0 or 1, never NULL."""
        match condition:
            case All(of):
                return f"({' AND '.join(map(self.sql, of))})" if of else "1"
            case Some(of):
                return f"({' OR '.join(map(self.sql, of))})" if of else "0"
            case Not(inner):
                return f"NOT ({self.sql(inner)})"
            case Tagged(tag):
                return f"has(tags, {self._value(tag, 'String')})"
            case Labelled(key, op, value):
                return self._labelled(key, op, value)
            case Scored(name, op, value):
                return self._scored(name, op, value)
            case Compare():
                return self._compare(condition)

    def _value(self, value: str | int | Sequence[str], type_: str) -> str:
        name = f"c{len(self._parameters)}"
        self._parameters[name] = value
        return f"{{{name}:{type_}}}"

    def _compare(self, compared: Compare) -> str:
        if compared.kind in (Kind.TEXT, Kind.UUID):
            return self._text(compared)
        column = _TOTAL if compared.field == TOTAL_TOKENS else identifier(compared.field)
        if compared.op is Op.EXISTS:
            return f"({column}) IS NOT NULL"
        if compared.kind is Kind.TIME:
            placed = f"fromUnixTimestamp64Nano({self._value(compared.number(), 'Int64')}, 'UTC')"
        else:
            placed = self._value(compared.number(), "Int128")
        if compared.op is Op.NE:
            return f"NOT ifNull(({column}) = {placed}, 0)"
        return f"ifNull(({column}) {compared.op} {placed}, 0)"

    def _text(self, compared: Compare) -> str:
        column, kind, op = identifier(compared.field), compared.kind, compared.op
        shown = f"ifNull(toString({column}), '')" if kind is Kind.UUID else column
        if op is Op.EXISTS:
            return f"({shown} != '')"
        values = compared.texts()
        if op is Op.CONTAINS:
            return f"(positionCaseInsensitive({shown}, {self._value(values[0], 'String')}) > 0)"
        if op not in (Op.EQ, Op.NE):
            return f"({shown} != '' AND {shown} {op} {self._value(values[0], 'String')})"
        if kind is Kind.UUID:
            values = compared.ids()
            held = f"ifNull({column} IN {self._value(values, 'Array(UUID)')}, 0)" if values else "0"
        else:
            held = f"({column} IN {self._value(values, 'Array(String)')})"
        return f"NOT {held}" if op is Op.NE else held

    def _labelled(self, key: str, op: Op, value: str) -> str:
        name = self._value(key, "String")
        if value and op in (Op.EQ, Op.NE):  # a key that is not there has an empty text
            return f"(metadata[{name}] {op} {self._value(value, 'String')})"
        there = f"mapContains(metadata, {name})"
        if op is Op.EXISTS:
            return there
        if op is Op.CONTAINS:
            return f"(positionCaseInsensitive(metadata[{name}], {self._value(value, 'String')}) > 0 AND {there})"
        held = f"({there} AND metadata[{name}] = {self._value(value, 'String')})"
        return f"NOT {held}" if op is Op.NE else held

    def _scored(self, name: str, op: Op, value: str | float) -> str:
        if op is Op.EXISTS:
            compared = "1"
        elif isinstance(value, str):
            sign = "!=" if op is Op.NE else "="
            compared = f"JSONExtractString(value) {sign} {self._value(value, 'String')}"
        else:
            compared = f"ifNull(value_number {op} {self._value(repr(float(value)), 'Float64')}, 0)"
        theirs = ""
        if self._runs is not None:
            theirs = (
                f"AND score_id IN (SELECT score_id FROM {self._scores} WHERE project_id = {{project:String}} "
                f"AND run_id IN {{{self._runs}:Array(UUID)}}) "
            )
        return (
            f"run_id IN (SELECT assumeNotNull(run_id) FROM (SELECT * FROM {self._scores} "
            f"WHERE project_id = {{project:String}} AND name = {self._value(name, 'String')} {theirs}"
            "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY score_id) "
            f"WHERE is_deleted = 0 AND run_id IS NOT NULL AND value NOT IN ('', 'null') AND {compared})"
        )
