"""What one model call of a conversation tells of another.

Each request of an agent repeats the conversation so far, so a fact that an SDK lost in one place often stands in
another: the calls of an answer whose span holds none stand in the next request, and the calls that a request has lost
stand in the answer before it. Two spans belong together when everything said before the answer is the same on both,
word for word, they come from one service, user and session, and one starts after the other has ended. Where two
different answers fit, none is taken.

Only conversations with tools are remembered. What another trace tells is marked, and never used to derive tool runs:
their results would be somebody else's, should two people ever have said and been told exactly the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from spanledger.mapping.messages.jsontext import dump
from spanledger.mapping.sizes import size_of
from spanledger.mapping.turns import Part, Turn, answers, is_empty, turns_of, with_calls, with_results
from spanledger.model.records import Message, Run
from spanledger.model.span import Value

MARK: Final = "completed_from_conversation"
_SIZE: Final = 1_000
"""Bytes that a model call takes beside the calls that it told of."""
_MAX_BYTES: Final = 4 * 1024 * 1024
"""4,200 model calls, and as many bytes of what they asked for."""
_MOST_VIEWS: Final = 8
"""Model calls remembered for one conversation; what more of them share is a probe or a test, and completes nothing."""
_MOST_GAPS: Final = 32
"""Turns of one request that wait for another trace, the last ones."""

Who = tuple[str | None, str | None, str | None, str | None]
Key = tuple[str, Who, int]
"""(project id, who talks, what was said)"""


class _View(NamedTuple):
    """What a model call tells of one answer: its own, or the last one that its request repeats."""

    trace_id: str
    at: int
    """When the answer was there; when the request began that repeats it."""
    calls: tuple[Part, ...]
    """Empty where the span lost them."""


_Memory = dict[Key, dict[str, _View]]
"""What was said → run id → view"""


class Talk:
    """What a model call's request says of its conversation. Made once for a span, as long as it stays what it is."""

    __slots__ = ("after", "filled", "hollow", "input", "noted", "said", "turns")

    def __init__(self, run: Run) -> None:
        self.input: Value = run.input
        self.turns, self.said = turns_of(run.input or (), run.trace_id or "")
        self.hollow = [turn for turn in self.turns if turn.is_hollow]
        self.noted: tuple[Value, Who, int | None] | None = None
        """Output, who, and end of the run when it was remembered."""
        self.filled: tuple[list[tuple[Turn, Sequence[Part]]], list[Message]] | None = None
        """What filled the hollow turns, and the request with it."""
        self.after: Talk | None = None
        """What the request says once it was completed."""

    def completed(self, found: list[tuple[Turn, Sequence[Part]]]) -> list[Message]:
        """The request with these calls in its hollow turns, always the same list for the same calls."""
        if self.filled is None or not _are_same(self.filled[0], found):
            self.filled = found, with_calls(self.input, found)
        return self.filled[1]

    def of(self, run: Run) -> Talk:
        """What the request of the run says as it stands by now."""
        if self.is_of(run):
            return self
        if self.after is None or not self.after.is_of(run):
            self.after = Talk(run)
        return self.after

    def is_of(self, run: Run) -> bool:
        return self.input is run.input


def has_tools(run: Run) -> bool:
    """Whether a model call belongs to a conversation with tools, as far as its span tells."""
    if run.type != "llm" or not run.input or run.status == "error":
        return False
    return (
        is_empty(run.output)
        or any(part["type"] == "tool_call" for message in run.output for part in message["parts"])
        or any(message["role"] == "tool" for message in run.input)
    )


class Conversations:
    """Conversations with tools across the traces of a project. The outcome does not depend on what came first."""

    def __init__(self, max_bytes: int = _MAX_BYTES, limit: int | None = None) -> None:
        self._limit = limit if limit is not None else max_bytes // _SIZE
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: _Memory = {}
        self._repeats: _Memory = {}
        self._waiting: dict[Key, dict[str, str]] = {}
        """Run id → trace id of what has a gap there."""
        self._places: OrderedDict[tuple[str, str], tuple[Key, Key | None, list[Key]]] = OrderedDict()
        """(project id, run id) → where it is remembered as an answer, as a repeat, as waiting."""

    def __len__(self) -> int:
        """Model calls remembered."""
        return len(self._places)

    def note(self, project_id: str, trace_id: str, talks: Iterable[tuple[Run, Talk]]) -> set[str]:
        """Remember these model calls; the other traces with a gap that what is new may fill."""
        affected: set[str] = set()
        for run, talk in talks:
            who = _who(run)
            noted = talk.noted
            if noted is not None and noted[0] is run.output and noted[1:] == (who, run.ended_at):
                continue
            talk.noted = (run.output, who, run.ended_at)
            affected |= self._forget((project_id, run.run_id))
            key = (project_id, who, talk.said)
            calls = tuple(_calls_in(run.output))
            affected |= self._put(self._answers, key, run.run_id, _View(trace_id, _end(run), calls))
            last = talk.turns[-1] if talk.turns and talk.turns[-1].results else None
            repeated = None
            if last is not None:
                repeated = (project_id, who, last.before)
                asked = () if last.is_hollow else tuple(last.calls)
                affected |= self._put(self._repeats, repeated, run.run_id, _View(trace_id, run.started_at, asked))
            waiting = [(project_id, who, turn.before) for turn in talk.hollow[-_MOST_GAPS:]]
            if _has_gap(run.output):
                waiting.append(key)
            for gap in waiting:
                self._waiting.setdefault(gap, {})[run.run_id] = trace_id
            self._places[project_id, run.run_id] = (key, repeated, waiting)
        while self._places and (len(self._places) > self._limit or self._bytes > self._max_bytes):
            self._forget(next(iter(self._places)))
        affected.discard(trace_id)
        return affected

    def complete(self, project_id: str, trace_id: str, talks: Iterable[tuple[Run, Talk]], *, across: bool) -> None:
        """Fill the gaps of these model calls: from the same trace, or (`across`) from others too."""
        for run, talk in talks:
            is_open = _has_gap(run.output)
            if not talk.hollow and not is_open:
                continue
            who = _who(run)
            now = talk.of(run)
            found = [
                (turn, calls)
                for turn in now.hollow
                if (calls := self._asked_before(run, trace_id, (project_id, who, turn.before), turn, across))
            ]
            told = self._told_after(run, trace_id, (project_id, who, now.said), across) if is_open else None
            if across and (told is not None or any(not turn.has_ids for turn, _ in found)):
                run.warnings = [*run.warnings, MARK]
            if found:
                run.input = now.completed(found)
            if told is not None:
                run.output = told

    def _asked_before(self, run: Run, trace_id: str, key: Key, turn: Turn, across: bool) -> Sequence[Part]:
        """The calls of the answer that a hollow turn repeats."""
        found = _distinct(
            view
            for view in self._views(self._answers, key)
            if (across or view.trace_id == trace_id) and view.calls and view.at <= run.started_at
        )
        return found if answers(turn, found) else ()

    def _told_after(self, run: Run, trace_id: str, key: Key, across: bool) -> list[Message] | None:
        """The answer of a model call whose own calls are gone or garbled, out of the request that follows."""
        ended = _end(run)
        calls = _distinct(
            view
            for view in self._views(self._repeats, key)
            if (across or view.trace_id == trace_id) and view.calls and view.at >= ended
        )
        if not calls:
            return None
        own = _calls_in(run.output)
        if own:
            if not _is_garbled(own, calls):
                return None
        elif not is_empty(run.output) or len(self._answers.get(key, ())) != 1:
            return None  # another model call was asked the same: it may have said this
        output = list(run.output or [{"role": "assistant", "parts": []}])
        told = [part for part in output[-1]["parts"] if part["type"] != "tool_call"]
        output[-1] = {**output[-1], "parts": [*told, *calls]}
        return output

    @staticmethod
    def _views(memory: _Memory, key: Key) -> Iterable[_View]:
        views = memory.get(key, {})
        return views.values() if len(views) <= _MOST_VIEWS else ()

    def _put(self, memory: _Memory, key: Key, run_id: str, view: _View) -> set[str]:
        """Remember a view; the traces with a gap there."""
        views = memory.setdefault(key, {})
        if len(views) > _MOST_VIEWS:
            return set()
        views[run_id] = view
        self._bytes += size_of(list(view.calls))
        return set(self._waiting.get(key, {}).values())

    def _forget(self, run: tuple[str, str]) -> set[str]:
        """Forget a model call; the traces with a gap where it was."""
        places = self._places.pop(run, None)
        if places is None:
            return set()
        affected: set[str] = set()
        for key in places[2]:
            waiting = self._waiting.get(key, {})
            waiting.pop(run[1], None)
            if not waiting:
                self._waiting.pop(key, None)
        for memory, place in ((self._answers, places[0]), (self._repeats, places[1])):
            views = memory.get(place) if place is not None else None
            if place is None or views is None or run[1] not in views:
                continue
            self._bytes -= size_of(list(views.pop(run[1]).calls))
            affected.update(self._waiting.get(place, {}).values())
            if not views:
                del memory[place]
        return affected


def fill_results(runs: Iterable[Run]) -> None:
    """Give results that are mere placeholders in a request what the tool runs of the same trace returned."""
    runs = list(runs)
    executed = {
        str(run.tool["call_id"]): run for run in runs if run.type == "tool" and run.tool and run.tool.get("call_id")
    }
    for run in runs:
        if run.type == "llm" and run.input:
            run.input = with_results(run.input, executed)


def _who(run: Run) -> Who:
    return (run.service_name, run.user_id, run.session_id, run.environment)


def _end(run: Run) -> int:
    return run.ended_at or run.started_at


def _calls_in(output: Value) -> list[Part]:
    return [part for message in output or () for part in message["parts"] if part["type"] == "tool_call"]


def _has_gap(output: Value) -> bool:
    """Whether an answer has lost something that another span may hold."""
    if is_empty(output):
        return True
    calls = _calls_in(output)
    return any(call.get("id") is None for call in calls) or (
        len(calls) == 1 and isinstance(calls[0].get("arguments"), str)
    )


def _distinct(views: Iterable[_View]) -> tuple[Part, ...]:
    """The calls on which all views agree."""
    found: tuple[Part, ...] = ()
    for view in views:
        if found and _identity(view.calls) != _identity(found):
            return ()
        found = view.calls
    return found


def _are_same(held: list[tuple[Turn, Sequence[Part]]], found: list[tuple[Turn, Sequence[Part]]]) -> bool:
    return len(held) == len(found) and all(
        turn is other and (calls is others or calls == others)
        for (turn, calls), (other, others) in zip(held, found, strict=True)
    )


def _identity(calls: Iterable[Part]) -> list[tuple[Value, Value, Value]]:
    return [(call.get("id"), call.get("name"), call.get("arguments")) for call in calls]


def _is_garbled(own: Sequence[Part], calls: Sequence[Part]) -> bool:
    """Whether calls are these with their ids lost, or glued together as some SDKs do with the chunks of a stream."""
    if len(own) == len(calls):
        return all(
            mine.get("id") is None
            and call.get("id") is not None
            and mine.get("name") == call.get("name")
            and mine.get("arguments") == call.get("arguments")
            for mine, call in zip(own, calls, strict=True)
        )
    glued = own[0].get("arguments")
    return (
        len(own) == 1
        and isinstance(glued, str)
        and _text(glued) == "".join(_text(call.get("arguments")) for call in calls)
    )


def _text(arguments: Value) -> str:
    text = arguments if isinstance(arguments, str) else dump(arguments)
    return "".join(text.split())
