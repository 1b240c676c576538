"""What a processor is."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from spanledger.errors import SpanledgerError
from spanledger.model.context import RequestContext
from spanledger.model.received import Signal

Request: TypeAlias = Any
"""ExportTraceServiceRequest, ExportLogsServiceRequest or ExportMetricsServiceRequest."""


class ProcessorError(SpanledgerError):
    """A processor that gives up a request, as its `error_mode` says; the sender is told and does not repeat it."""


class ErrorMode(StrEnum):
    """What happens when a statement fails on an item."""

    IGNORE = "ignore"
    """It is logged, and the next statement runs."""
    SILENT = "silent"
    """The next statement runs."""
    PROPAGATE = "propagate"
    """The request is refused."""


class Processor(Protocol):
    """Changes a request in place; `context` is what else came with it. Must not wait for anything; raises
    `ProcessorError` only."""

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None: ...
