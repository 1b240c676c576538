"""Connectors: what comes out of some pipelines goes into others of the same signal."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from spanledger.processors.base import ErrorMode
from spanledger.settings import Settings


class ForwardSettings(Settings):
    """Connector `forward`: everything into every pipeline that names it as a receiver. No keys."""


class Route(Settings):
    """A row of the table of `routing`."""

    context: Literal["resource", "span", "metric", "datapoint", "log", "request"] = "resource"
    """What the condition is about. Of a `request` it is `request["<header>"] == "<value>"`, or `!=`; its receiver needs
    `include_metadata: true`."""
    condition: str | None = None
    """Condition (OTTL)."""
    statement: str | None = None
    """The same as `route() where <condition>`."""
    action: Literal["move", "copy"] = "move"
    """`move`: later rows do not see what this one took."""
    pipelines: tuple[str, ...]
    """Where it goes: pipelines that name the connector as a receiver."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.condition is None) == (self.statement is None):
            raise ValueError("either condition or statement must be provided")
        return self


class RoutingSettings(Settings):
    """Connector `routing`: each item into the pipelines of the first row whose condition holds for it."""

    table: tuple[Route, ...]
    """Rows, in order."""
    default_pipelines: tuple[str, ...] = ()
    """Where that goes which no row took. Left out: nowhere."""
    error_mode: ErrorMode = ErrorMode.PROPAGATE
    """What a condition that fails on an item does: `ignore` and `silent` let the next row look at it, `propagate`
    refuses the request."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        from spanledger.processors.route import conditions_of

        if not self.table:
            raise ValueError("invalid routing table: the routing table is empty")
        for row in self.table:
            conditions_of(row)
        return self
