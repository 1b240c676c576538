"""Lunary's own ingest events (`POST /v1/runs/ingest`) to runs: start, end, error, chat, feedback, update.

Every event of a run is kept while it is remembered, and the run is folded from all of them in order of their
timestamps: an end may come before its start, or without one (then the run is marked `start_missing`). Source:
lunary-py and lunary-js 1.x, and the behaviour that docs/dialects.md describes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from spanledger.mapping import documents, plain
from spanledger.mapping import messages as shapes
from spanledger.mapping.bodies import response_facts
from spanledger.mapping.capture import CapturePolicy
from spanledger.mapping.client_values import flat_metadata, time_ns
from spanledger.mapping.coerce import count, flag, text
from spanledger.mapping.context import tags_of
from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.draft import TOOL_CLASSES
from spanledger.mapping.facts import Facts
from spanledger.mapping.framework_answers import Answer, answers_in
from spanledger.mapping.lunary_answers import Tree, reached
from spanledger.mapping.params import params_of
from spanledger.mapping.provider import canonical, of_model
from spanledger.mapping.scores import version_of
from spanledger.mapping.sizes import size_of
from spanledger.mapping.threads import thread_version
from spanledger.model.ids import run_id_of_client, thread_id, uuid8
from spanledger.model.records import Record, Run, RunError, Score, Thread, Usage
from spanledger.model.span import Value

_TYPES = {
    "llm": "llm", "embed": "embed", "tool": "tool", "agent": "agent", "chain": "chain", "retriever": "retriever",
    "chat": "chat", "message": "chat", "thread": "thread", "convo": "thread",
}  # fmt: skip
_ANSWERING = ("assistant", "tool", "bot", "ai")
_MODEL_CALLS = ("llm", "embed")
_ENDED = 1_000_000
"""Added to the version of a run that ended. Where start and end reach different processes, neither knows the other;
what must not be lost then is the end, with output, usage and cost."""
_MAX_RUNS = 20_000
_MAX_BYTES = 64 * 1024 * 1024
_MAX_EVENTS_PER_RUN = 1_000
"""A run has a start, an end, and now and then an update; a thread a chat event for each message."""


_NOTHING_TOLD = Tree()


class _Held:
    """What is remembered of one run."""

    __slots__ = ("emitted", "events", "said", "size", "thread", "told")

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.told: list[Answer] = []
        """Models' answers in the input and output of a chain."""
        self.said: set[int] = set()
        """Hash of each event."""
        self.size = 0
        self.emitted: Run | None = None
        self.thread: Thread | None = None


class LunaryMapper:
    """Folds ingest events into runs. Remembers the events of the runs touched last; not thread-safe."""

    def __init__(self, prices: PriceList | None = None, capture: CapturePolicy | None = None) -> None:
        self._prices = prices if prices is not None else PriceList()
        self._capture = capture
        self._runs: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._children: dict[tuple[str, str], set[str]] = {}
        self._bytes = 0
        self._telling = 0
        """How many of the runs tell answers of models."""

    def add(self, project_id: str, events: Sequence[Value]) -> list[Record]:
        """Records that these events make or change. An event that is no object, or has no run id, is passed over."""
        touched: dict[str, None] = {}
        records: list[Record] = []
        for event in _flat(events):
            kind = text(event.get("event"))
            external = text(_get(event, "runId"))
            if kind is None or external is None:
                continue
            run_id = run_id_of_client(project_id, external)
            if kind == "score":
                records.extend(_score(project_id, run_id, event))
                continue
            if kind == "feedback" or _get(event, "feedback"):
                records.extend(_feedback(project_id, run_id, event))
                if kind == "feedback":
                    continue
            touched[run_id] = None
            held = self._runs.setdefault((project_id, run_id), _Held())
            self._runs.move_to_end((project_id, run_id))
            said = hash(repr(event))
            if said in held.said or len(held.events) >= _MAX_EVENTS_PER_RUN:
                continue
            held.said.add(said)
            held.events.append(event)
            if _TYPES.get(str(event.get("type"))) in ("chain", "agent"):
                told = list(answers_in([event.get("input"), event.get("output")]))
                self._telling += bool(told) and not held.told
                held.told.extend(told)
            size = size_of(event)
            held.size += size
            self._bytes += size
            parent = text(_get(event, "parentRunId"))
            if parent is not None:
                self._children.setdefault((project_id, run_id_of_client(project_id, parent)), set()).add(run_id)
        above = list(touched)
        while above:  # runs below may inherit what became known
            for below in self._children.get((project_id, above.pop()), ()):
                if below not in touched:
                    touched[below] = None
                    above.append(below)
        trees: dict[str, Tree] = {}
        for run_id in list(touched):
            tree = self._tree(project_id, run_id, trees)
            if tree.statements:
                touched.update(dict.fromkeys(tree.calls))
        for run_id in touched:
            records.extend(self._changed(project_id, run_id, self._tree(project_id, run_id, trees)))
        while len(self._runs) > _MAX_RUNS or self._bytes > _MAX_BYTES:
            self._forget(*self._runs.popitem(last=False))
        return records

    def _forget(self, key: tuple[str, str], held: _Held) -> None:
        self._bytes -= held.size
        self._telling -= bool(held.told)
        project_id, run_id = key
        for parent in {text(_get(event, "parentRunId")) for event in held.events} - {None}:
            above = (project_id, run_id_of_client(project_id, str(parent)))
            children = self._children.get(above, set())
            children.discard(run_id)
            if not children:
                self._children.pop(above, None)

    def _events_of(self, project_id: str, run_id: str) -> list[dict[str, Any]]:
        held = self._runs.get((project_id, run_id))
        return held.events if held is not None else []

    def _tree(self, project_id: str, run_id: str, trees: dict[str, Tree]) -> Tree:
        """The tree of a run. `trees` are those looked at before, by their roots."""
        if not self._telling:
            return _NOTHING_TOLD
        above = [one for one in self._ancestors(project_id, run_id) if not self._is_thread(project_id, one)]
        root = above[-1] if above else run_id
        tree = trees.get(root)
        if tree is None:
            tree = trees[root] = Tree()
            for at in reached(root, lambda one: self._children.get((project_id, one), ())):
                held = self._runs.get((project_id, at))
                if held is not None:
                    tree.add(at, any(event.get("type") == "llm" for event in held.events[:2]), held.told)
        return tree

    def _changed(self, project_id: str, run_id: str, tree: Tree) -> list[Record]:
        remembered = self._runs.get((project_id, run_id))
        if remembered is None:
            return []
        events = remembered.events
        run = None
        if tree.statements and run_id in tree.calls:
            calls = tree.completed(lambda one: self._run(project_id, one, self._events_of(project_id, one)))
            run = calls.get(run_id)
        run = run or self._run(project_id, run_id, events)
        if run is None:
            return []
        if self._capture is not None:
            self._capture.apply(run)
        records: list[Record] = []
        held = remembered.emitted
        if held is not None:
            run.version = held.version
            if run == held:
                return []
        run.version = len(events) + sum(
            len(self._events_of(project_id, up)) for up in self._ancestors(project_id, run_id)
        )
        if run.type == "llm":
            run.version += tree.statements
        if run.status != "started":
            run.version += _ENDED
        remembered.emitted = run
        if run.type != "thread":
            records.append(run)
        if run.session_id is not None:
            thread = Thread(
                project_id=project_id,
                thread_id=thread_id(project_id, run.session_id),
                session_id=run.session_id,
                user_id=run.user_id,
                tags=_thread_tags(events),
                metadata=flat_metadata(_last(events, "threadMetadata")),
                started_at=run.started_at,
                version=thread_version(run.started_at, run.user_id),
            )
            if thread != remembered.thread:
                remembered.thread = thread
                records.append(thread)
        return records

    def _ancestors(self, project_id: str, run_id: str) -> list[str]:
        found: list[str] = []
        at = run_id
        while len(found) < 100:
            parent = _parent(self._events_of(project_id, at))
            if parent is None:
                break
            at = run_id_of_client(project_id, parent)
            if at in found or at == run_id:
                break
            found.append(at)
        return found

    def _run(self, project_id: str, run_id: str, events: list[dict[str, Any]]) -> Run | None:
        ordered = sorted(events, key=lambda event: (time_ns(_get(event, "timestamp")) or 0, _rank(event)))
        types = [kind for event in ordered if (kind := text(event.get("type"))) is not None]
        if not types:
            return None
        run_type = "chat" if any(event.get("event") == "chat" for event in ordered) else _TYPES.get(types[0], "custom")
        times = [at for event in ordered if (at := time_ns(_get(event, "timestamp"))) is not None]
        ended = [
            at
            for event in ordered
            if event.get("event") in ("end", "error", "chat", "custom-event")
            and (at := time_ns(_get(event, "timestamp"))) is not None
        ]
        warnings: list[str] = []
        starts = [event for event in ordered if event.get("event") in ("start", "chat", "custom-event")]
        if not starts:
            warnings.append("start_missing")
        first = times[0] if times else 0
        name = text(_first(ordered, "name"))
        metadata = _merged(ordered, "metadata")
        params = _merged(ordered, "params") or _merged(ordered, "extra")
        parent = _parent(ordered)
        run = Run(
            project_id=project_id,
            run_id=run_id,
            parent_run_id=None,
            external_id=text(_get(ordered[0], "runId")),
            type=run_type,
            operation=types[0],
            name=(name or types[0]).removeprefix("models/"),
            span_name=name or "",
            dialects=["lunary"],
            started_at=first,
            ended_at=ended[-1] if ended else None,
            duration_ns=max(0, ended[-1] - first) if ended else None,
            status="success" if ended else "started",
            user_id=text(_first(ordered, "userId")),
            user_props=_object(_first(ordered, "userProps")),
            tags=_tags(ordered, metadata),
            metadata=flat_metadata(metadata),
            warnings=warnings,
            source="lunary",
        )
        template = text(_first(ordered, "templateVersionId")) or text(_first(ordered, "templateId"))
        template = template or text(metadata.get("templateId"))
        if template is not None:
            run.prompt = {"version": template}
        error = _last(ordered, "error")
        if error is not None:
            run.status = "error"
            run.error = _error(error)
        self._place(project_id, run, parent)
        source, result = _last(ordered, "input"), _last(ordered, "output")
        if run_type == "chat":
            _chat(run, ordered)
        elif run_type in _MODEL_CALLS:
            self._model_call(run, source, result, params, metadata, ordered, warnings)
        else:
            run.input, run.output = plain.structured(source), plain.structured(result)
            if run_type == "tool":
                message = plain.tool_message(result)
                if run.name in TOOL_CLASSES:
                    run.name = text(message.get("name")) or run.name
                run.tool = {"name": run.name}
                if (call_id := text(message.get("tool_call_id"))) is not None:
                    run.tool["call_id"] = call_id
                run.input = plain.unwrap_call(run.input)
                run.output = plain.unwrap_result(run.output)
            elif run_type == "agent":
                run.agent = {"name": run.name}
                if plain.looks_like_messages(run.input):
                    run.input = shapes.parse_messages(run.input, default_role="user", warnings=warnings, key="input")
            elif run_type == "retriever":
                run.output = documents.document_list(run.output) if run.output is not None else None
            if run.agent is None and (agent := text(metadata.get("lc_agent_name"))) is not None:
                run.agent = {"name": agent}  # LangChain 1.x, on every run of the agent
        return run

    def _place(self, project_id: str, run: Run, parent: str | None) -> None:
        """Parent, and what is inherited from above. A parent that is a thread makes the session, not a parent run."""
        inherited: list[str] = []
        if parent is not None:
            parent_id = run_id_of_client(project_id, parent)
            if run.type == "chat" or self._is_thread(project_id, parent_id):
                run.session_id = parent
            elif parent_id != run.run_id:
                run.parent_run_id = parent_id
        at = run.parent_run_id
        for _ in range(100):
            if at is None or (run.user_id is not None and run.session_id is not None):
                break
            above = self._events_of(project_id, at)
            if run.user_id is None and (user := text(_first(above, "userId"))) is not None:
                run.user_id = user
                inherited.append("user_id")
            outer = _parent(above)
            if outer is None:
                break
            outer_id = run_id_of_client(project_id, outer)
            if run.session_id is None and (
                any(event.get("event") == "chat" for event in above) or self._is_thread(project_id, outer_id)
            ):
                run.session_id = outer
                inherited.append("session_id")
                break
            at = outer_id
        run.inherited = inherited

    def _is_thread(self, project_id: str, run_id: str) -> bool:
        events = self._events_of(project_id, run_id)
        return any(_TYPES.get(str(event.get("type"))) == "thread" and event.get("event") != "chat" for event in events)

    def _model_call(
        self,
        run: Run,
        source: Value,
        result: Value,
        params: dict[str, Value],
        metadata: dict[str, Value],
        events: list[dict[str, Any]],
        warnings: list[str],
    ) -> None:
        facts = response_facts(result)
        run.request_model = text(params.get("model")) or run.name
        run.model = text(metadata.get("model")) or facts.model or run.request_model
        run.response_id = facts.response_id or text(metadata.get("messageId")) or text(metadata.get("responseId"))
        provider = text(metadata.get("ls_provider")) or text(metadata.get("provider"))
        run.provider = canonical(provider) if provider is not None else of_model(run.model or "")
        run.provider_raw = provider
        known = Facts()
        known.meta = metadata
        run.params = params_of(known, params)
        run.streaming = flag(params.get("stream"))
        tools = params.get("tools") or params.get("functions")
        if tools:
            run.tools = shapes.tool_definitions(tools, warnings=warnings, key="params.tools")
        run.usage = _usage(_last(events, "tokensUsage") or _last(events, "tokenUsage"), metadata, run.provider)
        if run.type == "embed":
            run.input = documents.text_list(source) or source
        else:
            run.input = shapes.parse_messages(source, default_role="user", warnings=warnings, key="input") or None
            run.output = (
                shapes.parse_messages(result, default_role="assistant", warnings=warnings, key="output") or None
            )
            reason = facts.finish or metadata.get("finishReason") or metadata.get("stopReason")
            if reason is None and isinstance(run.output, list) and run.output:
                reason = run.output[0].get("finish_reason")
            run.finish_reasons = shapes.finish_reasons(reason) if reason is not None else []
        run.billable = run.usage is not None
        if run.usage is not None:
            run.cost = self._prices.cost(
                Call(
                    provider=run.provider,
                    request_model=run.request_model,
                    model=run.model,
                    usage=run.usage,
                    at_ns=run.started_at,
                    type=run.type,
                )
            )
        if run.usage is not None and run.usage.output_tokens and run.duration_ns:
            run.tokens_per_second = round(run.usage.output_tokens * 1e9 / run.duration_ns, 3)


def _flat(events: Sequence[Value]) -> list[dict[str, Any]]:
    """Events, also when each is wrapped in a list of its own."""
    found: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, dict):
            found.append(event)
        elif isinstance(event, list):
            found.extend(inner for inner in event if isinstance(inner, dict))
    return found


def _get(event: Mapping[str, Any], key: str) -> Value:
    """A field by its camelCase name, or by the snake_case one that some clients send."""
    value = event.get(key)
    if value is None:
        value = event.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key))
    return value


def _first(events: Sequence[Mapping[str, Any]], key: str) -> Value:
    for event in events:
        value = _get(event, key)
        if value is not None:
            return value
    return None


def _last(events: Sequence[Mapping[str, Any]], key: str) -> Value:
    return _first(list(reversed(events)), key)


def _merged(events: Sequence[Mapping[str, Any]], key: str) -> dict[str, Value]:
    whole: dict[str, Value] = {}
    for event in events:
        value = _get(event, key)
        if isinstance(value, dict):
            whole.update({name: held for name, held in value.items() if held is not None})
    return whole


def _object(value: Value) -> dict[str, Value] | None:
    return value if isinstance(value, dict) and value else None


def _parent(events: Sequence[Mapping[str, Any]]) -> str | None:
    return text(_first(events, "parentRunId"))


def _rank(event: Mapping[str, Any]) -> int:
    return {"start": 0, "chat": 0, "update": 1, "end": 2, "error": 2}.get(str(event.get("event")), 3)


def _tags(events: Sequence[Mapping[str, Any]], metadata: Mapping[str, Value]) -> list[str]:
    found = tags_of(_first(events, "tags"))
    return found or tags_of(metadata.get("tags")) or _thread_tags(events)


def _thread_tags(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return tags_of(_last(events, "threadTags"))


def _error(value: Value) -> RunError:
    if isinstance(value, dict):
        inner = value.get("error")
        if isinstance(inner, dict):
            value = {**inner, **{key: held for key, held in value.items() if key != "error"}}
        stack = text(value.get("stack"))
        kind = text(value.get("type")) or text(value.get("name"))
        if kind is None and stack is not None:
            head = stack.split(":", 1)[0]
            kind = head if head.isidentifier() else None
        return RunError(
            type=kind,
            message=text(value.get("message")),
            code=text(value.get("status")) or text(value.get("code")),
            stack=stack,
        )
    return RunError(message=text(value) or str(value))


def _usage(value: Value, metadata: Mapping[str, Value], provider: str | None) -> Usage | None:
    if not isinstance(value, dict):
        return None
    given, output = count(value.get("prompt")), count(value.get("completion"))
    if given is None and output is None:
        return None
    read = count(value.get("promptCached"))
    write = count(metadata.get("cacheCreationInputTokens"))
    beside = count(metadata.get("cacheReadInputTokens"))
    if not read and beside:
        read = beside
    convention = "inclusive"
    # lunary-js passes Anthropic's own input_tokens on, which leave the cache out
    if given is not None and provider == "anthropic" and ((write or 0) + (beside or 0) > 0):
        given += (read or 0) + (write or 0)
        convention = "exclusive_converted"
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=count(value.get("reasoning")),
        convention=convention,
        source="provider" if given is not None else "estimated",  # lunary-py counts chunks of a stream
    )


def _chat(run: Run, events: Sequence[Mapping[str, Any]]) -> None:
    """A chat event is one message of a thread."""
    for event in events:
        message = _get(event, "message")
        if not isinstance(message, dict):
            continue
        role = str(message.get("role") or "user")
        parsed = shapes.parse_messages([message], default_role=role, warnings=run.warnings, key="message")
        if role in _ANSWERING:
            run.output = [*(run.output or []), *parsed]
        else:
            run.input = [*(run.input or []), *parsed]
    run.name = "chat"


def _feedback(project_id: str, run_id: str, event: Mapping[str, Any]) -> list[Score]:
    extra = _get(event, "extra")
    feedback = _get(event, "feedback") or extra
    if not isinstance(feedback, dict):
        return []
    at = time_ns(_get(event, "timestamp"))
    found: list[Score] = []
    thumb = text(feedback.get("thumb")) or text(feedback.get("thumbs"))
    comment = text(feedback.get("comment"))
    for name, value in (("thumb", thumb), ("comment", comment)):
        if value is not None or (name in feedback and feedback[name] is None):  # null takes it back
            found.append(
                Score(
                    project_id=project_id,
                    score_id=uuid8("score", project_id, run_id, name),
                    run_id=run_id,
                    name=name,
                    value=value,
                    comment=comment,
                    source="user",
                    at=at,
                    version=version_of(at),
                )
            )
    for name, value in feedback.items():
        if name in ("", "thumb", "thumbs", "comment", "overwrite"):
            continue
        if isinstance(value, (str, int, float, bool)):
            found.append(
                Score(
                    project_id=project_id,
                    score_id=uuid8("score", project_id, run_id, name),
                    run_id=run_id,
                    name=name,
                    value=value,
                    comment=comment,
                    source="user",
                    at=at,
                    version=version_of(at),
                )
            )
    return found


def _score(project_id: str, run_id: str, event: Mapping[str, Any]) -> list[Score]:
    """The score of a `PATCH /v1/runs/{id}/score`, which goes through the log as an event of its own kind."""
    given = event.get("score")
    name = text(given.get("label")) if isinstance(given, dict) else None
    if not isinstance(given, dict) or name is None:
        return []
    value, at = given.get("value"), time_ns(_get(event, "timestamp"))
    return [
        Score(
            project_id=project_id,
            score_id=uuid8("score", project_id, run_id, name),
            run_id=run_id,
            name=name,
            value=value if isinstance(value, (str, int, float, bool)) else None,
            comment=text(given.get("comment")),
            source="api",
            at=at,
            version=version_of(at),
        )
    ]
