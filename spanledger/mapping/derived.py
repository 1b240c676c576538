"""Tool runs that nobody traced, read out of the conversation.

An application that calls the model through an instrumented client, and its tools itself, sends no span for a tool.
What happened stands in the messages all the same: the model asked for a call in one answer, and a later request holds
its result, often in another trace. Such a call becomes a `tool` run below the model call that asked for it, marked
`derived_from_messages` and without times of its own. Traces that hold any tool span are left alone, and so are calls
that have a span in another trace.

Some models number their calls anew in every conversation (Kimi K2: `functions.get_weather:0`). Such an id says nothing
of whose result it is, so an id that different model calls ask for links nothing: no user may be shown another's result.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeGuard

from spanledger.mapping.completion import Talk
from spanledger.mapping.draft import TOOL_CLASSES
from spanledger.mapping.messages.jsontext import dump
from spanledger.mapping.recent import Recent
from spanledger.mapping.responses import is_identity
from spanledger.mapping.sizes import size_of
from spanledger.mapping.traced_tools import TracedTools
from spanledger.mapping.turns import Part, Turn, answers
from spanledger.model.ids import uuid8
from spanledger.model.records import Run
from spanledger.model.span import Value

_SIZE: Final = 800
"""Bytes that a call takes beside what it is given and what came back."""
_MAX_BYTES: Final = 4 * 1024 * 1024
"""5,200 calls, as many bytes of what they are given, and of what came back."""
_LONGEST_ID: Final = 512
"""Characters; providers' ids have up to 64, and what is remembered by the thousand must be bounded."""
_MOST_TRACES: Final = 8
"""Traces remembered for one call; application, gateway and inference server may each report it in its own."""
_MOST_GAPS: Final = 32
"""Turns of one request that wait for another trace, the last ones."""
_MOST_WAITING: Final = 256
"""Traces that wait for one call."""
MARK: Final = "derived_from_messages"

Key = tuple[str, str]
"""(project id, tool call id)"""


class _Asker(NamedTuple):
    """A trace that asks for a call id."""

    trace_id: str
    arguments: int
    """Hash of what the call is given."""
    responses: tuple[str, ...]
    """Response ids of the answers that ask."""

    def is_same(self, other: _Asker) -> bool:
        """Whether two traces report one answer: by its id, where both state one."""
        if self.responses and other.responses:
            return not set(self.responses).isdisjoint(other.responses)
        return self.arguments == other.arguments


class _Asking:
    """Who asks for a call id."""

    __slots__ = ("askers", "is_shared")

    def __init__(self) -> None:
        self.askers: tuple[_Asker, ...] = ()
        """Nearly always one, for which dicts and sets take four times as much."""
        self.is_shared = False
        """Different answers ask for it: it names no single call."""

    def add(self, trace_id: str, run: Run, call: dict[str, Value]) -> bool:
        """Add an answer that asks; whether the id has turned out to be shared with this."""
        held = next((asker for asker in self.askers if asker.trace_id == trace_id), None)
        if held is None:
            if len(self.askers) >= _MOST_TRACES:
                return False
            asker = _Asker(trace_id, hash((call.get("name"), repr(call.get("arguments")))), ())
        elif run.response_id in held.responses:
            return False
        else:
            asker = held
        if is_identity(run.response_id) and len(asker.responses) < _MOST_TRACES:
            asker = asker._replace(responses=(*asker.responses, run.response_id))
        self.askers = (*(other for other in self.askers if other is not held), asker)
        if self.is_shared or all(asker.is_same(other) for other in self.askers):
            return False
        self.is_shared = True
        return True

    @property
    def traces(self) -> set[str]:
        """Ids of the traces that ask."""
        return {asker.trace_id for asker in self.askers}


class ToolCalls:
    """Tool calls seen in messages, across the traces of a project: which trace asked, and what came back."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._limit = max_bytes // _SIZE
        self._max_result_bytes = max_bytes
        self._result_bytes = 0
        self._asked: Recent[Key, _Asking] = Recent(self._limit)
        self._results: OrderedDict[Key, tuple[int, Value, bool]] = OrderedDict()
        self._names: Recent[Key, str] = Recent(self._limit)
        self._given: OrderedDict[Key, dict[str, Value]] = OrderedDict()
        """What the model asked for, as a part of its answer."""
        self._given_bytes = 0
        self._waiting: OrderedDict[Key, set[str]] = OrderedDict()
        """Traces whose requests hold the result and have lost the call."""
        self._executed: Recent[Key, str] = Recent(self._limit)
        self._traced = TracedTools(max_bytes)

    def note(
        self, project_id: str, trace_id: str, runs: Sequence[Run], talks: Sequence[tuple[Run, Talk]] = ()
    ) -> set[str]:
        """Remember the calls and results in the messages of these model calls, and the tool runs that carry a call id.

        Returns the other traces that learn something: they asked for a call whose result stands here, or ran a call
        that was asked for here.
        """
        affected = self._traced.note(project_id, runs)
        for run in runs:
            if run.type == "tool" and run.tool is not None and _is_call_id(run.tool.get("call_id")):
                self._executed.put((project_id, run.tool["call_id"]), trace_id)
            if run.type != "llm":
                continue
            for call in calls_of(run):
                key = (project_id, call["id"])
                asking = self._asked.get(key)
                if asking is None:
                    asking = _Asking()
                    self._asked.put(key, asking)
                ran = self._ran(key)
                if asking.add(trace_id, run, call):
                    affected |= asking.traces | ran | self._waiting.get(key, set())
                given = self._given.get(key)
                if given is None or (given != call and dump(call) < dump(given)):  # whichever of two views comes first
                    self._given[key] = call
                    self._given_bytes += size_of(call) - (size_of(given) if given is not None else 0)
                    affected |= ran | self._waiting.get(key, set())
                if key not in self._names and isinstance(call.get("name"), str):
                    self._names.put(key, call["name"])
                    affected |= ran
            for part in _results_in(run):
                key = (project_id, part["id"])
                told = (run.started_at, part.get("response"), bool(part.get("is_error")))
                held = self._results.get(key)
                if held is None or told[0] < held[0]:
                    self._results[key] = told
                    self._result_bytes += size_of(told[1]) - (size_of(held[1]) if held is not None else 0)
                    asked = self._asked.get(key)
                    affected |= self._ran(key) | (asked.traces if asked is not None else set())
        for run, talk in talks:
            for turn in talk.of(run).hollow[-_MOST_GAPS:]:
                for call_id in _ids_in(turn):
                    waiting = self._waiting.setdefault((project_id, call_id), set())
                    if len(waiting) < _MOST_WAITING:
                        waiting.add(trace_id)
        while self._given and (len(self._given) > self._limit or self._given_bytes > self._max_result_bytes):
            self._given_bytes -= size_of(self._given.popitem(last=False)[1])
        while self._results and (len(self._results) > self._limit or self._result_bytes > self._max_result_bytes):
            _, forgotten = self._results.popitem(last=False)
            self._result_bytes -= size_of(forgotten[1])
        while len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
        affected.discard(trace_id)
        return affected

    def complete(self, project_id: str, runs: Iterable[Run]) -> None:
        """Give traced tool runs what only the messages tell: their name where the span has a class, their arguments and
        their result."""
        for run in runs:
            if run.type != "tool" or run.tool is None:
                continue
            key = (project_id, str(run.tool.get("call_id")))
            if self._is_shared(key):
                continue
            if run.name in TOOL_CLASSES and (name := self._names.get(key)) is not None:
                run.name = name
                run.tool = {**run.tool, "name": run.name}
            if run.input is None and key in self._given:
                run.input = self._given[key].get("arguments")
            if run.output is None and key in self._results:
                run.output = self._results[key][1]

    def fill(self, project_id: str, talks: Iterable[tuple[Run, Talk]]) -> None:
        """Give requests the calls that they lost and whose results name them: the id proves what the history before,
        which applications cut and change, does not."""
        for run, talk in talks:
            now = talk.of(run)
            found: list[tuple[Turn, Sequence[Part]]] = []
            for turn in now.hollow:
                keys = [(project_id, call_id) for call_id in _ids_in(turn)]
                calls = [self._given[key] for key in keys if key in self._given and not self._is_shared(key)]
                if calls and answers(turn, calls):
                    found.append((turn, calls))
            if found:
                run.input = now.completed(found)

    def derive(self, project_id: str, trace_id: str, runs: list[Run]) -> list[Run]:
        """Tool runs for the answered calls of a trace that holds no span of a call of its own."""
        asking = [(run, calls) for run in runs if run.type == "llm" and (calls := calls_of(run))]
        if not asking:
            return []
        asked = {call.get("name") for _, calls in asking for call in calls}
        if any(run.type == "tool" and not _is_invoker(run, asked) for run in runs):
            return []
        found: dict[str, Run] = {}
        for run, calls in asking:
            for call in calls:
                key = (project_id, call["id"])
                result = self._results.get(key)
                if result is None or call["id"] in found or self._is_shared(key):
                    continue
                if self._traced.has(project_id, trace_id, call, run.ended_at or run.started_at, result[0]):
                    continue
                found[call["id"]] = _tool_run(project_id, trace_id, run, call, result[1], result[2])
        return list(found.values())

    def _ran(self, key: Key) -> set[str]:
        """The trace with the call's own span, where there is one."""
        trace_id = self._executed.get(key)
        return {trace_id} if trace_id is not None else set()

    def _is_shared(self, key: Key) -> bool:
        asking = self._asked.get(key)
        return asking is not None and asking.is_shared


def _is_invoker(run: Run, asked: set[Value]) -> bool:
    """A span that says that tools ran, and not which: Haystack's ToolInvoker runs all calls of an answer."""
    if run.name in asked or (run.tool is not None and run.tool.get("call_id") is not None):
        return False
    is_conversation = isinstance(run.input, dict) and isinstance(run.input.get("messages"), list)
    return is_conversation or (run.input is None and run.output is None)


def _is_call_id(value: Value) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID


def calls_of(run: Run) -> list[dict[str, Value]]:
    """Tool calls with an id that a model call's answer asks for."""
    if not run.output:
        return []
    return [
        part
        for message in run.output
        for part in message["parts"]
        if part["type"] == "tool_call" and _is_call_id(part.get("id"))
    ]


def _ids_in(turn: Turn) -> list[str]:
    """Call ids that the results of a turn name, where each names one."""
    return [result["id"] for result in turn.results if _is_call_id(result["id"])] if turn.has_ids else []


def _results_in(run: Run) -> list[dict[str, Value]]:
    return [
        part
        for message in run.input or ()
        if message["role"] == "tool"
        for part in message["parts"]
        if part["type"] == "tool_call_response" and _is_call_id(part.get("id"))
    ]


def _tells_failure(result: Value) -> bool:
    """A result that is nothing but an error: tools tell the model so in words, and messages have no status."""
    if isinstance(result, str):
        return result.startswith(("Error:", "Error executing tool"))
    return isinstance(result, dict) and bool(result.get("error")) and result.keys() <= {"error", "message", "status"}


def _tool_run(project_id: str, trace_id: str, asking: Run, call: dict[str, Value], result: Value, failed: bool) -> Run:
    return Run(
        project_id=project_id,
        run_id=uuid8("tool_call", project_id, trace_id, call["id"]),
        parent_run_id=asking.run_id,
        trace_id=trace_id,
        type="tool",
        name=str(call.get("name") or "tool"),
        dialects=asking.dialects,
        status="error" if failed or _tells_failure(result) else "success",
        started_at=asking.ended_at or asking.started_at,
        input=call.get("arguments"),
        output=result,
        tool={"name": str(call.get("name") or "tool"), "call_id": call["id"]},
        user_id=asking.user_id,
        user_props=asking.user_props,
        session_id=asking.session_id,
        inherited=[name for name in ("user_id", "session_id") if getattr(asking, name) is not None],
        environment=asking.environment,
        release=asking.release,
        service_name=asking.service_name,
        service_version=asking.service_version,
        warnings=[MARK],
        source=asking.source,
    )
