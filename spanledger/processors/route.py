"""The choice of the connector `routing` (connector/routingconnector), as a processor: what goes into one pipeline."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from spanledger.model.context import METADATA, RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import ErrorMode, Processor, ProcessorError, Request
from spanledger.processors.filter import readable
from spanledger.processors.ottl import Condition, Item, OttlError, compile_condition
from spanledger.processors.walk import drop, points

_log = logging.getLogger(__name__)

_STATEMENT: Final = re.compile(r"\s*route\(\s*\)\s*(?:where\s(.*))?", re.DOTALL)
_REQUEST: Final = re.compile(r'\s*request\["(?P<header>[^"\\]+)"\]\s*(?P<operator>==|!=)\s*"(?P<value>[^"\\]*)"\s*')
_SIGNAL: Final = {"span": Signal.TRACES, "metric": Signal.METRICS, "datapoint": Signal.METRICS, "log": Signal.LOGS}


class Row(Protocol):
    """A row of the table, `spanledger.config.connectors.Route`."""

    @property
    def context(self) -> str: ...
    @property
    def condition(self) -> str | None: ...
    @property
    def statement(self) -> str | None: ...
    @property
    def action(self) -> str: ...
    @property
    def pipelines(self) -> tuple[str, ...]: ...


class Table(Protocol):
    """`spanledger.config.connectors.RoutingSettings`."""

    @property
    def table(self) -> tuple[Any, ...]: ...
    @property
    def default_pipelines(self) -> tuple[str, ...]: ...
    @property
    def error_mode(self) -> ErrorMode: ...


@dataclass(frozen=True, slots=True)
class RequestCondition:
    """What a header of the request is to be, or is not to be."""

    key: str
    value: str
    equal: bool

    def __call__(self, context: RequestContext) -> bool:
        """Whether one of its values is so; none of a header that is missing."""
        return any((value == self.value) is self.equal for value in context.values(self.key))


def conditions_of(row: Row) -> Condition | RequestCondition | None:
    """The condition of a row, None where it always holds. Raises `ValueError`."""
    text = row.condition
    if text is None:
        found = _STATEMENT.fullmatch(row.statement or "")
        if found is None:
            raise ValueError("a statement is `route() where <condition>`; other functions are not supported here")
        text = found[1]
    if text and text.strip() and row.context == "request":
        found = _REQUEST.fullmatch(text)
        if found is None:
            raise ValueError('a condition of a request is request["<header>"] == "<value>", or !=')
        return RequestCondition(METADATA + found["header"].lower(), found["value"], found["operator"] == "==")
    compiled: Condition | None = readable(compile_condition, text, row.context) if text and text.strip() else None
    return compiled


class RouteProcessor(Processor):
    """Leaves what the table sends to one pipeline."""

    def __init__(self, settings: Table, pipeline: str) -> None:
        self._mode = settings.error_mode
        self._rows = [
            (row.context, conditions_of(row), pipeline in row.pipelines, row.action) for row in settings.table
        ]
        self._default = pipeline in settings.default_pipelines

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        rows: list[tuple[str, Condition | None, bool, str]] = []
        for about, condition, here, action in self._rows:
            if isinstance(condition, RequestCondition):
                if condition(context):
                    rows.append((about, None, here, action))
            elif _SIGNAL.get(about, signal) is signal:
                rows.append((about, condition, here, action))
        drop(signal, request, lambda item: not self._goes(rows, item))

    def _goes(self, rows: Sequence[tuple[str, Condition | None, bool, str]], item: Item) -> bool:
        goes = False
        for about, condition, here, action in rows:
            if self._holds(about, condition, item):
                goes = goes or here
                if action == "move":
                    return goes
        return goes or self._default

    def _holds(self, about: str, condition: Condition | None, item: Item) -> bool:
        if condition is None:
            return True
        try:
            if about != "datapoint":
                return condition(item)
            for point in points(item.metric):  # a metric stays whole: it goes where one of its points goes
                item.datapoint = point
                if condition(item):
                    return True
        except OttlError as problem:
            if self._mode is ErrorMode.PROPAGATE:
                raise ProcessorError(f"routing: {problem}") from None
            if self._mode is ErrorMode.IGNORE:
                _log.warning("a condition failed", extra={"reason": str(problem)})
        return False
