"""The processor `python`: a function or class of the user's own, named in the configuration.

On spans, log records or metrics it is called with OTLP messages before anything is kept::

    def keep_only_prod(span: Span, scope: InstrumentationScope, resource: Resource) -> bool:
        return any(a.key == "deployment.environment.name" and a.value.string_value == "prod"
                   for a in resource.attributes)

`False` drops the item, anything else keeps it, changes in place are kept too. A class is made once, with `arguments`,
and called in the same way. What raises is told in the log and leaves the item as it is, or refuses the request with
`error_mode: propagate`; it never stops the pipeline.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from spanledger.errors import ConfigError
from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import ErrorMode, Processor, ProcessorError, Request
from spanledger.processors.ottl.paths import Item
from spanledger.processors.walk import drop
from spanledger.settings import Settings

_log = logging.getLogger(__name__)

Function: TypeAlias = Callable[..., object]
_ERRORS_TOLD: Final = 10
"""Failures that are told with their traceback; after that every thousandth."""


class PythonSettings(Settings):
    """Processor `python`: runs a function or a class of your own on every span, log record and metric. Where nothing
    else is to be said, `python: module:name` stands for the section."""

    shorthand: ClassVar[str] = "function"

    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:name`; called with the item, its scope and its resource (OTLP messages). `False` drops the item."""
    on: Literal["spans", "records"] = "spans"
    """`spans`: OTLP spans, log records and metrics, before anything is kept. `records`: runs, scores, threads and
    metrics of the ledger, before they are written; called with the record alone, returns the one to write."""
    path: Path | None = None
    """Folder to import the module from, besides Python's own."""
    arguments: dict[str, Any] | None = None
    """Keyword arguments: `name` is called with them once, and what it returns is the function. Give `{}` for a class
    without any."""
    error_mode: ErrorMode = ErrorMode.IGNORE
    """What an exception does: `ignore` and `silent` keep the item as the function left it, `propagate` refuses the
    request."""


class PythonProcessor(Processor):
    """Calls a function on every item."""

    def __init__(self, settings: PythonSettings) -> None:
        """Raises `ConfigError` when the function cannot be had."""
        self._name = settings.function
        self._function = load_function(settings)
        self._mode = settings.error_mode
        self.dropped = self.failed = 0
        """Items dropped, and calls that raised, so far."""

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        self.dropped += drop(signal, request, self._unwanted)

    def _unwanted(self, item: Item) -> bool:
        subject = item.span if item.span is not None else item.log if item.log is not None else item.metric
        try:
            return self._function(subject, item.scope, item.resource) is False
        except Exception as problem:
            self.failed += 1
            if self._mode is ErrorMode.PROPAGATE:
                raise ProcessorError(f"{self._name} failed: {type(problem).__name__}") from problem
            if self._mode is ErrorMode.IGNORE and (self.failed <= _ERRORS_TOLD or self.failed % 1000 == 0):
                details = {"function": self._name, "failures": self.failed}
                _log.exception("a processor of your own raised", extra=details)
            return False


def load_function(settings: PythonSettings) -> Function:
    """The function that a configuration names. Raises `ConfigError`."""
    module_name, _, name = settings.function.partition(":")
    if settings.path is not None and str(settings.path) not in sys.path:
        sys.path.append(str(settings.path))
    try:
        found = getattr(importlib.import_module(module_name), name)
        if settings.arguments is not None:
            found = found(**settings.arguments)
    except ModuleNotFoundError as problem:
        where = f" in {settings.path}" if settings.path else "; is it installed, or does path name its folder?"
        raise ConfigError(f"{settings.function}: there is no module {problem.name}{where}") from None
    except AttributeError:
        raise ConfigError(f"{settings.function}: {module_name} has no {name}") from None
    except Exception as problem:
        raise ConfigError(f"{settings.function}: {type(problem).__name__}: {problem}") from problem
    if not callable(found):
        raise ConfigError(f"{settings.function}: expected a function, found {type(found).__name__}")
    if isinstance(found, type):
        raise ConfigError(f"{settings.function} is a class: give its arguments, arguments: {{}} for none")
    return found  # type: ignore[no-any-return]
