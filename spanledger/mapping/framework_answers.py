"""Answers of models that stand in the state of a framework's chain.

LangChain and LangGraph pass whole messages from step to step, and their instrumentations write them down as the input
and output of chains. Such an `AIMessage` knows what the span of the model call often does not: the response's id, the
model that answered, why it stopped, the tools that it asked for. It is taken for a model call's answer where it
carries the same response id; within the trace also where it asks for the same call ids, or where text and token counts
are the same and no other call or message has them. Instrumentations for JavaScript put every step into a trace of its
own; there the step must also have been told the same conversation and have been running around the model call.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from spanledger.mapping import messages as shapes
from spanledger.mapping.coerce import count, text
from spanledger.mapping.messages import parse_json
from spanledger.mapping.responses import is_identity
from spanledger.mapping.sizes import size_of
from spanledger.mapping.turns import is_empty, turns_of
from spanledger.model.records import Message, Run, Usage
from spanledger.model.span import Value

_SIZE: Final = 600
"""Bytes that a model call takes that lacks facts."""
_MAX_BYTES: Final = 4 * 1024 * 1024
"""7,000 model calls, and as many bytes of answers."""
_MOST_VIEWS: Final = 8
_MOST_NODES: Final = 5_000
"""Values of a state that are looked at."""
_MOST_ANSWERS: Final = 200
_CLASSES: Final = frozenset({"ai", "AIMessage", "AIMessageChunk"})
_INVENTED_ID: Final = re.compile(r"(?:lc_)?run-.*|[0-9a-f]{8}-[0-9a-f-]{27}")
"""Ids that LangChain makes up for messages."""
_FINISH: Final = ("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason")
_TEXT_PARTS: Final = ("text", "output_text")

Key = tuple[Value, ...]
LookedAt = tuple[Value, Value, Usage | None]
"""Input, output and usage of a model call that lacks facts."""


class Answer:
    """A framework's message that a model answered with. `body` is the message as received."""

    __slots__ = (
        "_messages", "body", "calls", "finish_reasons", "identity", "model", "response_id", "tokens", "words",
    )  # fmt: skip

    def __init__(self, body: dict[str, Any]) -> None:
        metadata = body["response_metadata"]
        beside, calls = body.get("additional_kwargs"), body.get("tool_calls")
        usage = body.get("usage_metadata")
        usage = usage if isinstance(usage, dict) else {}
        self.body = body
        own = text(metadata.get("id")) or (text(beside.get("id")) if isinstance(beside, dict) else None)
        named = text(body.get("id"))
        if own is None and named is not None and not _INVENTED_ID.fullmatch(named):
            own = named
        self.response_id = own if is_identity(own) else None
        self.calls = tuple(
            str(call["id"])
            for call in (calls if isinstance(calls, list) else ())
            if isinstance(call, dict) and isinstance(call.get("id"), str) and call["id"]
        )
        self.words = _words(body.get("content"))
        self.tokens = (count(usage.get("input_tokens")), count(usage.get("output_tokens")))
        reason = next((found for name in _FINISH if (found := text(metadata.get(name)))), None)
        self.finish_reasons = shapes.finish_reasons(reason) if reason is not None else []
        self.model = text(metadata.get("model_name")) or text(metadata.get("model"))
        self.identity: Key = (
            self.response_id, self.calls, self.words, self.tokens, self.model, *self.finish_reasons
        )  # fmt: skip
        self._messages: list[Message] | None = None

    @property
    def keys(self) -> Iterator[Key]:
        """What a model call of the same trace is found by."""
        if self.response_id is not None:
            yield "id", self.response_id
        for call in self.calls:
            yield "call", call
        if None not in self.tokens:
            yield "said", *self.tokens, self.words

    def complete(self, run: Run) -> None:
        """Give a model call what it lacks; its usage and cost stay."""
        run.response_id = run.response_id or self.response_id
        run.finish_reasons = run.finish_reasons or self.finish_reasons
        if run.model == run.request_model:
            run.model = self.model or run.model
        if is_empty(run.output):
            run.output = self.messages or run.output

    @property
    def messages(self) -> list[Message]:
        """The answer in the normal form, always the same list."""
        if self._messages is None:
            body = {**self.body, "type": "ai"}
            self._messages = shapes.parse_messages([body], default_role="assistant", warnings=[], key="")
        return self._messages


class Told:
    """The answers in one chain's input and output."""

    __slots__ = ("answers", "before", "ended_at", "output", "started_at")

    def __init__(self, run: Run, given: Value, output: Value) -> None:
        self.output = list(answers_in(output))
        self.answers = [*answers_in(given), *self.output]
        self.started_at, self.ended_at = run.started_at, run.ended_at
        self.before = _before(given) if self.output else None
        """What the chain had been told, system messages aside."""


def mentions_answers(*values: Value) -> bool:
    """Whether values as received may hold framework messages: quick, for nearly none do."""
    return any(isinstance(value, str) and "response_metadata" in value for value in values)


def lacks(run: Run) -> bool:
    """Whether a framework's message may know more of a model call than its span."""
    return (
        run.type == "llm"
        and run.status != "error"
        and (run.response_id is None or not run.finish_reasons or is_empty(run.output))
    )


class TraceAnswers:
    """Answers in the chains of one trace."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Key, Answer]] = {}

    def add(self, told: Told) -> None:
        self.note(told.answers)

    def note(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            for key in answer.keys:
                self._by_key.setdefault(key, {}).setdefault(answer.identity, answer)

    def complete(self, runs: Iterable[Run]) -> None:
        """Complete the model calls that one answer belongs to, and no other."""
        lacking = [run for run in runs if lacks(run)]
        alike: dict[Key, int] = {}
        for run in lacking:
            alike[_said_key(run)] = alike.get(_said_key(run), 0) + 1
        for run in lacking:
            found = self._find(run, alike)
            if found is not None:
                found.complete(run)

    def _find(self, run: Run, alike: dict[Key, int]) -> Answer | None:
        if is_identity(run.response_id):
            return self._only("id", run.response_id)
        calls = [part["id"] for message in run.output or () for part in message["parts"] if part.get("id")]
        if calls:
            found = self._only("call", calls[0])
            return found if found is not None and list(found.calls) == calls else None
        key = _said_key(run)
        return self._only(*key) if alike[key] == 1 else None

    def _only(self, *key: Value) -> Answer | None:
        found = self._by_key.get(key, {})
        return next(iter(found.values())) if len(found) == 1 else None


class Answers:
    """Answers across the traces of a project, where every step of a framework has a trace of its own."""

    def __init__(self, max_bytes: int = _MAX_BYTES, limit: int | None = None) -> None:
        self._limit = limit if limit is not None else max_bytes // _SIZE
        self._max_bytes = max_bytes
        self._bytes = 0
        self._told: OrderedDict[Key, dict[Key, tuple[Answer, int, int]]] = OrderedDict()
        """Key → identity and chain → answer, start and end of the chain."""
        self._lacking: dict[Key, dict[str, tuple[str, int, int]]] = {}
        """Key → run id → trace id, start and end of the model call."""
        self._places: OrderedDict[str, Key] = OrderedDict()
        """Run id → where it is remembered."""

    def __len__(self) -> int:
        """Keys of answers remembered."""
        return len(self._told)

    def note_told(self, project_id: str, trace_id: str, told: Told) -> set[str]:
        """Remember the answers that a chain gave; the other traces with model calls that lack them."""
        affected: set[str] = set()
        for answer in told.output:
            if answer.response_id is not None:
                affected |= self._add((project_id, "id", answer.response_id), answer, 0, 0)
            if None not in answer.tokens and told.before is not None and told.ended_at is not None:
                key = (project_id, "said", *answer.tokens, answer.words, told.before)
                affected |= self._add(key, answer, told.started_at, told.ended_at)
        while self._told and (len(self._told) > self._limit or self._bytes > self._max_bytes):
            _, forgotten = self._told.popitem(last=False)
            self._bytes -= sum(size_of(answer.body) for answer, _, _ in forgotten.values())
        affected.discard(trace_id)
        return affected

    def complete(self, project_id: str, trace_id: str, runs: Iterable[Run], looked_at: dict[str, LookedAt]) -> set[str]:
        """Complete model calls; the other traces with model calls that can no longer be told apart from these.

        `looked_at` is the trace's own memory of runs as they were looked at last.
        """
        affected: set[str] = set()
        for run in runs:
            if run.parent_span_id is not None or not lacks(run):
                affected |= self._remove(run.run_id)
                continue
            held = looked_at.get(run.run_id)
            if held is None or not (held[0] is run.input and held[1] is run.output and held[2] is run.usage):
                looked_at[run.run_id] = run.input, run.output, run.usage
                affected |= self._remove(run.run_id)
                affected |= self._place(project_id, trace_id, run)
            key = self._places.get(run.run_id)
            found = self._find(key, run) if key is not None else None
            if found is not None:
                found.complete(run)
        while len(self._places) > self._limit:
            self._remove(next(iter(self._places)))
        affected.discard(trace_id)
        return affected

    def _place(self, project_id: str, trace_id: str, run: Run) -> set[str]:
        """Remember a model call; the traces of those that are remembered there too."""
        key = _key(project_id, run)
        if key is None:
            return set()
        self._places[run.run_id] = key
        views = self._lacking.setdefault(key, {})
        if len(views) <= _MOST_VIEWS:
            views[run.run_id] = (trace_id, run.started_at, run.ended_at or run.started_at)
        return self._hoping(key)

    def _hoping(self, key: Key) -> set[str]:
        """The traces of model calls that an answer is or is not given to by how many of them there are. Where no chain
        told one, which is nearly everywhere, that is none."""
        return {trace_id for trace_id, _, _ in self._lacking.get(key, {}).values()} if key in self._told else set()

    def _remove(self, run_id: str) -> set[str]:
        key = self._places.pop(run_id, None)
        if key is None:
            return set()
        views = self._lacking[key]
        views.pop(run_id, None)
        if not views:
            del self._lacking[key]
        return self._hoping(key)

    def _add(self, key: Key, answer: Answer, start: int, end: int) -> set[str]:
        views = self._told.setdefault(key, {})
        place = (answer.identity, start, end)
        if place in views or len(views) > _MOST_VIEWS:
            return set()
        views[place] = (answer, start, end)
        self._bytes += size_of(answer.body)
        return {trace_id for trace_id, _, _ in self._lacking.get(key, {}).values()}

    def _find(self, key: Key, run: Run) -> Answer | None:
        views = self._told.get(key, {})
        if len(views) > _MOST_VIEWS or len(self._lacking.get(key, {})) > _MOST_VIEWS:
            return None
        if key[1] == "id":
            return next(iter(views.values()))[0] if len(views) == 1 else None
        around = [
            (answer, start, end)
            for answer, start, end in views.values()
            if start <= run.started_at and (run.ended_at or run.started_at) <= end
        ]
        if len({answer.identity for answer, _, _ in around}) != 1:
            return None
        answer, start, end = min(around, key=lambda view: view[2] - view[1])
        inside = [one for one in self._lacking[key].values() if start <= one[1] and one[2] <= end]
        return answer if len(inside) == 1 else None


def _key(project_id: str, run: Run) -> Key | None:
    if is_identity(run.response_id):
        return (project_id, "id", run.response_id)
    if run.usage is None or run.usage.input_tokens is None or run.usage.output_tokens is None:
        return None
    before = _unprompted(run.input or ())
    return None if before is None else (project_id, *_said_key(run), before)


def _said_key(run: Run) -> Key:
    usage = run.usage
    tokens = (usage.input_tokens, usage.output_tokens) if usage is not None else (None, None)
    return "said", *tokens, shapes.text_of(run.output or ()).strip()


def _unprompted(messages: Iterable[Message]) -> int | None:
    """What was said, system messages aside: chains add them only when they call the model."""
    spoken = [message for message in messages if message["role"] not in ("system", "developer")]
    return turns_of(spoken)[1] if spoken else None


def _before(given: Value) -> int | None:
    state = given.get("messages", given.get("input")) if isinstance(given, dict) else given
    if isinstance(state, dict):
        state = state.get("messages")
    if not isinstance(state, list) or not state:
        return None
    return _unprompted(shapes.parse_messages(state, default_role="user", warnings=[], key="", strict=True))


def answers_in(value: Value) -> Iterator[Answer]:
    """The answers in a chain's state, at whatever depth, as far as it is looked at."""
    found = 0
    stack = [value]
    for _ in range(_MOST_NODES):
        if not stack or found >= _MOST_ANSWERS:
            return
        value = stack.pop()
        if isinstance(value, str) and value[:1] in ("{", "[") and "response_metadata" in value:
            value = parse_json(value)[1]
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            path = value.get("id")
            kwargs = value.get("kwargs")
            body = kwargs if isinstance(kwargs, dict) else value
            kind = path[-1] if isinstance(path, list) and path else body.get("type")
            if isinstance(kind, str) and kind in _CLASSES and _is_answer(body):
                found += 1
                yield Answer(body)
            else:
                stack.extend(value.values())


def _is_answer(body: dict[str, Any]) -> bool:
    return bool(isinstance(body.get("response_metadata"), dict) and body["response_metadata"] and "content" in body)


def _words(content: Value) -> str:
    """The text of a message, whether it is one or a list of blocks."""
    if isinstance(content, str):
        return content.strip()
    blocks = content if isinstance(content, list) else ()
    return "\n".join(
        str(block["text"])
        for block in blocks
        if isinstance(block, dict) and block.get("type") in _TEXT_PARTS and isinstance(block.get("text"), str)
    ).strip()
