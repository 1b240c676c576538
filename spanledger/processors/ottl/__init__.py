"""The OpenTelemetry Transformation Language: the part that configurations of the Collector use.

Statements and conditions are parsed once, when a configuration is read, and run on OTLP messages. Nothing in the
language waits, opens a file or runs for long: patterns are RE2's.
"""

from __future__ import annotations

from spanledger.processors.ottl.compiler import (
    Condition,
    Execute,
    compile_condition,
    compile_statement,
    context_of,
)
from spanledger.processors.ottl.errors import OttlError, OttlSyntaxError
from spanledger.processors.ottl.paths import Item

__all__ = [
    "Condition",
    "Execute",
    "Item",
    "OttlError",
    "OttlSyntaxError",
    "compile_condition",
    "compile_statement",
    "context_of",
]
