"""Feedback and evaluations: semantic-convention events, OpenInference annotations."""

from __future__ import annotations

from spanledger.mapping.coerce import number, text
from spanledger.mapping.facts import Facts
from spanledger.model.ids import run_id_of_span, uuid8
from spanledger.model.records import Score
from spanledger.model.span import Event

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
        source="evaluator",
        at=event.time_ns or None,
        version=version_of(event.time_ns),
    )


def annotation_scores(project_id: str, span: Facts) -> list[Score]:
    """Scores of OpenInference's `annotations.N.annotation.*`; they belong to the span's only link, else to the span."""
    by_index: dict[int, dict[str, object]] = {}
    for key, value in (span.annotations or {}).items():
        index, _, rest = key.partition(".")
        if index.isdecimal() and len(index) < 5 and rest.startswith("annotation."):
            by_index.setdefault(int(index), {})[rest[11:]] = value
    trace_id, span_id = span.trace_id, span.span_id
    if len(span.links) == 1:
        trace_id, span_id = span.links[0].trace_id, span.links[0].span_id
    found: list[Score] = []
    for position in sorted(by_index):
        note = by_index[position]
        name = text(note.get("name"))
        if name is None:
            continue
        identifier = text(note.get("identifier")) or ""
        value, label = number(note.get("score")), text(note.get("label"))
        found.append(
            Score(
                project_id=project_id,
                score_id=uuid8("score", project_id, f"{trace_id}/{span_id}", name, identifier),
                run_id=run_id_of_span(project_id, trace_id, span_id),
                trace_id=trace_id,
                span_id=span_id,
                name=name,
                value=value if value is not None else label,
                label=label,
                comment=text(note.get("explanation")),
                source="user" if text(note.get("annotator_kind")) == "HUMAN" else "evaluator",
                at=span.end_ns or span.start_ns or None,
                version=version_of(span.end_ns or span.start_ns),
            )
        )
    return found
