"""Which tool calls have a span of their own, wherever it stands.

A tool that is traced must not be derived from the messages once more. Its span may stand in a trace of its own, and
most instrumentations do not tell it the id of the call. It is the call's where it carries the id, or else the tool's
name and the same arguments, and ran between the answer that asked and the request that holds the result.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from spanledger.mapping.messages.jsontext import dump
from spanledger.model.records import Run
from spanledger.model.span import Value

_SIZE: Final = 800
"""Bytes that a tool span takes, and half of those that a derived call does."""
_MAX_BYTES: Final = 4 * 1024 * 1024
"""5,200 spans, and 2,600 derived calls."""
_MOST_ALIKE: Final = 256
"""Spans remembered of one tool with the same arguments."""
_LONGEST: Final = 4_096
"""Characters of arguments that are told apart."""
_SLACK_NS: Final = 2_000_000
"""JavaScript reads times in milliseconds."""

Key = bytes
"""Stands for the project, and the call's id or the tool and its arguments."""
_Window = tuple[int, int]


class TracedTools:
    """Tool spans of a project, and the traces that derive tool runs and must know of them."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._limit = max_bytes // _SIZE
        self._started: dict[Key, dict[str, int]] = {}
        """Key → run id → start."""
        self._places: OrderedDict[str, tuple[Key, int]] = OrderedDict()
        self._deriving: OrderedDict[Key, dict[tuple[str, str], _Window]] = OrderedDict()
        """Key → trace and call id of those that are derived, or are not because of a span → when they ran."""

    def note(self, project_id: str, runs: Iterable[Run]) -> set[str]:
        """Remember the tool spans among these runs; the traces that derive calls like theirs."""
        affected: set[str] = set()
        for run in runs:
            if run.type != "tool" or run.tool is None:
                continue
            call_id = run.tool.get("call_id")
            if isinstance(call_id, str):
                key = _key(project_id, "id", call_id)
            else:
                key = _likeness(project_id, run.name, run.input)
            place = (key, run.started_at)
            held = self._places.get(run.run_id)
            if held == place:
                continue
            if held is not None:
                affected |= self._forget(run.run_id)
            alike = self._started.setdefault(key, {})
            if len(alike) >= _MOST_ALIKE:
                self._forget(next(iter(alike)))
            self._started.setdefault(key, alike)[run.run_id] = run.started_at
            self._places[run.run_id] = place
            affected |= self._derived_at(key, run.started_at)
        while len(self._places) > self._limit:
            self._forget(next(iter(self._places)))
        return affected

    def has(self, project_id: str, trace_id: str, call: dict[str, Value], since: int, until: int) -> bool:
        """Whether a span tells of this call. The trace will be named when one arrives that may."""
        found = False
        window = (since - _SLACK_NS, until + _SLACK_NS)
        for key in (
            _key(project_id, "id", str(call["id"])),
            _likeness(project_id, call.get("name"), call.get("arguments")),
        ):
            deriving = self._deriving.setdefault(key, {})
            if len(deriving) >= _MOST_ALIKE:
                del deriving[next(iter(deriving))]
            deriving[trace_id, str(call["id"])] = window
            self._deriving.move_to_end(key)
            found = found or any(window[0] <= start <= window[1] for start in self._started.get(key, {}).values())
        while len(self._deriving) > self._limit:
            self._deriving.popitem(last=False)
        return found

    def _derived_at(self, key: Key, start: int) -> set[str]:
        """Traces whose derived calls a span with this start may be."""
        windows = self._deriving.get(key, {})
        return {trace_id for (trace_id, _), (since, until) in windows.items() if since <= start <= until}

    def _forget(self, run_id: str) -> set[str]:
        key, start = self._places.pop(run_id)
        alike = self._started[key]
        del alike[run_id]
        if not alike:
            del self._started[key]
        return self._derived_at(key, start)


def _likeness(project_id: str, name: Value, arguments: Value) -> Key:
    """Tool and values of the arguments: a span may know them by position where the call knows their names."""
    values = list(arguments.values()) if isinstance(arguments, dict) else arguments
    told = sorted(dump(value) for value in (values if isinstance(values, list) else [values]))
    return _key(project_id, str(name), dump(told)[:_LONGEST])


def _key(*told: str) -> Key:
    return blake2b("\0".join(told).encode("utf-8", "surrogatepass"), digest_size=16).digest()
