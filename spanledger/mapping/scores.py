"""Feedback and evaluations: events of the conventions and of OpenLIT, and what attributes carry: annotations of
OpenInference, scores of Braintrust, Laminar, OpenLIT and Pydantic Evals, feedback of Logfire and Genkit."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from spanledger.mapping.coerce import flag, number, text
from spanledger.mapping.facts import Facts, Group
from spanledger.mapping.messages import parse_json
from spanledger.mapping.recent import Recent
from spanledger.model.ids import run_id_of_span, uuid8
from spanledger.model.records import Score
from spanledger.model.span import Event, Value

_SIZE: Final = 350
"""Bytes that the span of a response takes."""
_MAX_BYTES: Final = 4 * 1024 * 1024
EVALUATION_EVENTS = frozenset({"gen_ai.evaluation.result", "gen_ai.evaluation", "guard.evaluation"})


def version_of(at_ns: int | None) -> int:
    """Of several statements of one score the latest counts, in whatever order they arrive: microseconds of its time."""
    return max(1, (at_ns or 0) // 1000)


def evaluation_score(project_id: str, trace_id: str, span_id: str, event: Event) -> Score | None:
    """Score of a `gen_ai.evaluation.result` event or log record. A span event and a log record of the same
    evaluation (OpenLIT sends both) give the same score id."""
    attributes = event.attributes
    body = attributes.get("body")
    if isinstance(body, dict):
        attributes = {**body, **attributes}
    name = text(attributes.get("gen_ai.evaluation.name")) or text(attributes.get("gen_ai.evaluator.name"))
    name = name or text(attributes.get("guard.name"))
    if name is None:
        return None
    written = attributes.get("gen_ai.evaluation.score.value", attributes.get("gen_ai.evaluation.score"))
    value = number(written if written is not None else attributes.get("guard.score"))
    label = text(attributes.get("gen_ai.evaluation.score.label")) or text(attributes.get("guard.classification"))
    if label is None:
        label = "denied" if flag(attributes.get("guard.denied")) else text(attributes.get("guard.verdict"))
    key = text(attributes.get("openlit.score.idempotency_key")) or text(attributes.get("gen_ai.evaluation.id")) or ""
    target = f"{trace_id}/{span_id}" if span_id else text(attributes.get("gen_ai.response.id")) or trace_id
    return Score(
        project_id=project_id,
        score_id=uuid8("score", project_id, target, name, key),
        run_id=run_id_of_span(project_id, trace_id, span_id) if span_id else None,
        trace_id=trace_id or None,
        span_id=span_id or None,
        name=name,
        value=value if value is not None else label,
        label=label,
        comment=text(attributes.get("gen_ai.evaluation.explanation")) or text(attributes.get("guard.explanation")),
        source="user" if name.lower() in _FEEDBACK_NAMES else "evaluator",
        at=event.time_ns or None,
        version=version_of(event.time_ns),
    )


class ScoredResponses:
    """Evaluations that name a response and no span, and the span of that response, whichever comes first."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._limit = max_bytes // _SIZE
        self._spans: Recent[tuple[str, str], tuple[str, str]] = Recent(self._limit)
        self._waiting: OrderedDict[tuple[str, str], dict[str, Score]] = OrderedDict()

    def add_span(self, project_id: str, response_id: str, trace_id: str, span_id: str) -> list[Score]:
        """Remember the span of a response; the scores that waited for it, now with their run."""
        key = (project_id, response_id)
        if key in self._spans:
            return []
        self._spans.put(key, (trace_id, span_id))
        waiting = self._waiting.pop(key, {})
        return [_linked(score, trace_id, span_id) for score in waiting.values()]

    def link(self, response_id: str, score: Score) -> Score:
        """The score with the run of its response, where that is known."""
        key = (score.project_id, response_id)
        held = self._spans.get(key)
        if held is not None:
            return _linked(score, *held)
        waiting = self._waiting.setdefault(key, {})
        known = waiting.get(score.score_id)
        if known is None or known.version <= score.version:
            waiting[score.score_id] = score
        if len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)
        return score


def _linked(score: Score, trace_id: str, span_id: str) -> Score:
    run_id = run_id_of_span(score.project_id, trace_id, span_id)
    return msgspec.structs.replace(score, run_id=run_id, trace_id=trace_id, span_id=span_id, version=score.version + 1)


SCORE_SLOTS = frozenset(
    {
        "annotations", "trace_annotations", "session_annotations", "evaluations", "eval_scores", "score_document",
        "feedback_name", "feedback_value", "feedback_text", "acceptance", "kind_laminar", "eval_assertions",
    }
)  # fmt: skip
"""Slots that may hold scores."""

_FEEDBACK_NAMES = frozenset({"user_feedback", "userfeedback", "feedback", "thumbs", "user-feedback"})


def span_scores(project_id: str, span: Facts, session_id: str | None) -> list[Score]:
    """Scores that a span's attributes carry, of whatever dialect. Most belong to the span itself; a carrier's to its
    only link, to its parent, to its trace, or to its session."""
    here = _Target(span.trace_id, span.span_id)
    above = _Target(span.trace_id, span.parent_span_id or span.span_id)
    linked = _Target(span.links[0].trace_id, span.links[0].span_id) if len(span.links) == 1 else here
    whole, session = _Target(span.trace_id), _Target(span.trace_id, session_id=session_id)
    notes: list[tuple[_Target, _Note]] = []
    notes += [(linked, note) for note in _annotations(span.annotations, "annotation.")]
    notes += [(linked, note) for note in _annotations(span.evaluations, "evaluation.")]
    notes += [(whole, note) for note in _annotations(span.trace_annotations, "annotation.")]
    if session_id is not None:
        notes += [(session, note) for note in _annotations(span.session_annotations, "annotation.")]
    if span.eval_scores is not None:  # OpenLIT: gen_ai.eval.groundedness
        notes += [(here, _Note(name, value)) for name, value in sorted(span.eval_scores.items())]
    if span.score_document is not None:  # Braintrust
        is_score = _kind_is(span, "kind_braintrust", ("score", "eval"))
        notes += [(above if is_score else here, note) for note in _named(_parsed(span.score_document))]
    if span.feedback_name is not None:  # Logfire writes the value under the feedback's own name
        name = text(span.feedback_name) or ""
        comment = text(span.rest.get("logfire.feedback.comment"))
        notes.append((above, _Note(name, span.rest.get(name), comment=comment, source="user")))
    if span.feedback_value is not None or span.feedback_text is not None:  # Genkit's user engagement
        notes.append((above, _Note("user_feedback", span.feedback_value, comment=text(span.feedback_text))))
    if span.acceptance is not None:
        notes.append((above, _Note("user_acceptance", span.acceptance, source="user")))
    if span.raw_output is not None and _kind_is(span, "kind_laminar", ("EVALUATOR",)):
        notes += [(whole, note) for note in _results(span)]
    if span.eval_assertions is not None and span.scope.name.startswith("pydantic-evals"):
        for document in (span.eval_assertions, span.rest.get("scores"), span.rest.get("labels")):
            notes += [(here, note) for note in _named(_parsed(document))]
    return [score for target, note in notes if (score := _score(project_id, span, target, note)) is not None]


class _Target:
    """What a score is about."""

    __slots__ = ("session_id", "span_id", "trace_id")

    def __init__(self, trace_id: str, span_id: str | None = None, *, session_id: str | None = None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.session_id = session_id

    def key(self) -> str:
        return f"session/{self.session_id}" if self.session_id else f"{self.trace_id}/{self.span_id or ''}"


class _Note:
    """A score as it was written."""

    __slots__ = ("comment", "identifier", "label", "name", "source", "value")

    def __init__(
        self,
        name: str,
        value: Value = None,
        *,
        label: str | None = None,
        comment: str | None = None,
        identifier: str = "",
        source: str = "",
    ) -> None:
        self.name = name
        self.value = value
        self.label = label
        self.comment = comment
        self.identifier = identifier
        self.source = source


def _score(project_id: str, span: Facts, target: _Target, note: _Note) -> Score | None:
    if not note.name:
        return None
    value: float | int | str | bool | None = note.value if isinstance(note.value, bool) else number(note.value)
    label = note.label
    if value is None:
        label = label or text(note.value)
        value = label
    source = note.source or ("user" if note.name.lower() in _FEEDBACK_NAMES else "evaluator")
    return Score(
        project_id=project_id,
        score_id=uuid8("score", project_id, target.key(), note.name, note.identifier),
        run_id=run_id_of_span(project_id, target.trace_id, target.span_id) if target.span_id else None,
        session_id=target.session_id,
        trace_id=None if target.session_id else target.trace_id,
        span_id=target.span_id,
        name=note.name,
        value=value,
        label=label,
        comment=note.comment,
        source=source,
        at=span.end_ns or span.start_ns or None,
        version=version_of(span.end_ns or span.start_ns),
    )


def _annotations(group: Group | None, prefix: str) -> list[_Note]:
    """OpenInference's `annotations.N.annotation.*`, older `evaluations.N.evaluation.*`."""
    by_index: dict[int, dict[str, Value]] = {}
    for key, value in (group or {}).items():
        index, _, rest = key.partition(".")
        if index.isdecimal() and len(index) < 5 and rest.startswith(prefix):
            by_index.setdefault(int(index), {})[rest[len(prefix) :]] = value
    return [
        _Note(
            text(note.get("name")) or "",
            note.get("score"),
            label=text(note.get("label")),
            comment=text(note.get("explanation")),
            identifier=text(note.get("identifier")) or "",
            source="user" if text(note.get("annotator_kind")) == "HUMAN" else "evaluator",
        )
        for _, note in sorted(by_index.items())
    ]


def _named(document: Value) -> list[_Note]:
    """`{"name": 0.9}` (Braintrust) or `{"name": {"value": 0.9, "reason": "…"}}` (Pydantic Evals)."""
    found: list[_Note] = []
    for name, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, dict):
            reason = text(value.get("reason"))
            found.append(_Note(name, value.get("value", value.get("score")), comment=reason))
        elif value is not None:
            found.append(_Note(name, value))
    return found


def _results(span: Facts) -> list[_Note]:
    """What a Laminar evaluator gave: a number, or a number by name."""
    result = _parsed(span.raw_output)
    return _named(result) if isinstance(result, dict) else [_Note(span.name, result)]


def _parsed(value: Value) -> Value:
    return parse_json(value)[1] if isinstance(value, str) and parse_json(value)[0] else value


def _kind_is(span: Facts, slot: str, kinds: tuple[str, ...]) -> bool:
    kind: Value = getattr(span, slot, None)
    return isinstance(kind, str) and kind in kinds
