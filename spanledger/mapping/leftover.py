"""Facts that were read and that no field of the run shows, put back among its attributes: nothing received is lost.

A slot does not remember under which key its value came, so it goes back under the key of the semantic conventions.
"""

from __future__ import annotations

from typing import Final

from spanledger.mapping.dialects import BY_CODE
from spanledger.mapping.dialects.base import EMBED, LLM, RERANK, TOOL
from spanledger.mapping.facts import Facts
from spanledger.mapping.shape import Shape
from spanledger.model.records import RUN_TYPES, Run
from spanledger.model.span import Value

_CLUES: Final = (
    "server_address", "api_base", "http_status", "http_route", "request_id", "mcp_method", "vector_db", "db_operation",
    "workflow_name", "step_input", "original_length",
    "eval_assertions",
)  # fmt: skip
"""Read to find out something else."""
_OF_CALLS: Final = (
    "temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty",
    "choice_count", "response_format", "encoding_formats", "dimensions", "reasoning_effort", "service_tier",
    "response_service_tier", "response_id", "finish_reasons", "streaming", "ttft_s", "tool_definitions",
)  # fmt: skip
"""Shown by model calls alone."""
_OF_TOOLS: Final = ("tool_call_id", "tool_type", "tool_description", "tool_input", "tool_output")
"""Shown by tools alone."""


def _canonical() -> dict[str, str]:
    keys: dict[str, str] = {}
    for key, slot in BY_CODE["otel"].keys.items():
        keys.setdefault(slot, key)
    return {
        **keys,
        "api_base": "url.full",
        "mcp_method": "mcp.method.name",
        "eval_assertions": "assertions",
        "original_length": "gen_ai.input.messages.original_length",
        "step_input": "llamaindex.step.input_summary",
    }


_KEYS: Final = _canonical()


def _unshown(run_type: str) -> dict[str, str]:
    slots = [*_CLUES]
    if run_type not in (LLM, EMBED, RERANK):
        slots += _OF_CALLS
    if run_type != TOOL:
        slots += _OF_TOOLS
    return {slot: _KEYS[slot] for slot in slots}


_UNSHOWN: Final = {run_type: _unshown(run_type) for run_type in RUN_TYPES}


def _leftover(slots: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """Run type → slots that its fields do not show, each with the key that it goes back under."""
    return {
        run_type: [(slot, unshown[slot]) for slot in slots if slot in unshown] for run_type, unshown in _UNSHOWN.items()
    }


_GROUPS: Final = (("evaluations", "evaluations."), ("eval_scores", "gen_ai.eval."))
"""Prefixes below which others may write what is no score."""


def _groups(slots: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(slot, prefix) for slot, prefix in _GROUPS if slot in slots]


def put_back(run: Run, span: Facts, shape: Shape) -> None:
    """Add to the run's attributes what its type has no field for."""
    for slot, prefix in shape.of(_groups):
        for name, value in (getattr(span, slot) or {}).items():
            run.attributes.setdefault(prefix + name, value)
    for slot, key in shape.of(_leftover)[run.type]:
        value = getattr(span, slot)
        if value != run.name:
            run.attributes.setdefault(key, _without_query(value) if slot == "api_base" else value)


def _without_query(value: Value) -> Value:
    """Google's API takes its key in the query of the address."""
    return value.partition("?")[0] if isinstance(value, str) else value
