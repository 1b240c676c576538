"""The start and the end of one run of Lunary's, mapped apart, as one run.

Behind several replicas they may meet different mappers. Each makes a run of what it knows: the start one that goes on,
the end one that is marked `start_missing`. What only the start said (name, input, user, tags, parent, time) and what
only the end said (output, usage) is brought together here, and the call is priced again, since the model stands in the
start's name.
"""

from __future__ import annotations

from typing import Final

import msgspec

from spanledger.mapping.coerce import count
from spanledger.mapping.cost import Call, PriceList
from spanledger.model.records import Run, Usage

START_MISSING: Final = "start_missing"
_OF_THE_START: Final = (
    *("parent_run_id", "external_id", "provider", "provider_raw", "streaming", "tools", "input", "agent", "tool"),
    *("prompt", "user_id", "user_props", "session_id", "environment", "release", "service_name", "service_version"),
)
"""Facts that the start tells where the end does not."""


def is_start(run: Run) -> bool:
    """Whether a run is what a start alone makes."""
    return run.source == "lunary" and run.status == "started" and not run.withdrawn


def is_end(run: Run) -> bool:
    """Whether a run is what an end without its start makes."""
    return run.source == "lunary" and run.status != "started" and START_MISSING in run.warnings and not run.withdrawn


def joined(start: Run, end: Run, prices: PriceList) -> Run:
    """The whole run, in the version after both. Raises `ValueError` when they are not the two halves of one."""
    if (start.project_id, start.run_id) != (end.project_id, end.run_id) or not (is_start(start) and is_end(end)):
        raise ValueError("not the start and the end of one run")
    run = msgspec.structs.replace(end)
    for name in _OF_THE_START:
        if getattr(end, name) is None:
            setattr(run, name, getattr(start, name))
    run.type, run.operation = start.type, start.operation
    if not end.span_name:  # lunary's SDKs name a run in its start
        run.name, run.span_name = start.name, start.span_name
        if end.request_model == end.name:
            run.request_model = start.request_model
        if end.model == end.name:
            run.model = start.model
    run.started_at = min(start.started_at, end.started_at)
    run.duration_ns = max(0, end.ended_at - run.started_at) if end.ended_at is not None else None
    run.params = {**start.params, **end.params}
    run.metadata = {**start.metadata, **end.metadata}
    run.tags = end.tags or start.tags
    run.inherited = list(dict.fromkeys([*start.inherited, *end.inherited]))
    run.warnings = [warning for warning in dict.fromkeys([*start.warnings, *end.warnings]) if warning != START_MISSING]
    run.usage = _usage(end.usage, end, run.provider)
    run.version = max(start.version, end.version) + 1
    _price(run, prices)
    return run


def _usage(usage: Usage | None, end: Run, provider: str | None) -> Usage | None:
    """Anthropic's own input tokens leave the cache out, which the end alone could not know."""
    if usage is None or usage.input_tokens is None or provider != "anthropic" or end.provider == provider:
        return usage
    written, read = (count(end.metadata.get(f"cache{what}InputTokens")) for what in ("Creation", "Read"))
    if not (written or read):
        return usage
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return msgspec.structs.replace(usage, input_tokens=usage.input_tokens + cached, convention="exclusive_converted")


def _price(run: Run, prices: PriceList) -> None:
    if run.usage is None:
        return
    run.cost = prices.cost(
        Call(
            provider=run.provider,
            request_model=run.request_model,
            model=run.model,
            usage=run.usage,
            at_ns=run.started_at,
            type=run.type,
        )
    )
    if run.usage.output_tokens and run.duration_ns:
        run.tokens_per_second = round(run.usage.output_tokens * 1e9 / run.duration_ns, 3)
