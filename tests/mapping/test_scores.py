"""Scores from evaluation events, log records and annotations, each once; metrics, kept as they are."""

from __future__ import annotations

import pytest

from spanledger.model.span import Value
from tests.mapping.build import Ledger, at, chat, event, log, point, run_id, span

RESULT = {
    "gen_ai.evaluation.name": "Relevance",
    "gen_ai.evaluation.score.value": 0.85,
    "gen_ai.evaluation.score.label": "relevant",
    "gen_ai.evaluation.explanation": "answers the question",
}


def test_an_evaluation_event_is_a_score_of_its_run() -> None:
    ledger = Ledger(chat(events=[event("gen_ai.evaluation.result", RESULT, time=0.9)]))
    (score,) = ledger.scores
    assert (score.run_id, score.name, score.value, score.label) == (run_id(1), "Relevance", 0.85, "relevant")
    assert (score.comment, score.source, score.at) == ("answers the question", "evaluator", at(0.9))


def test_an_evaluation_log_record_is_the_same_score_as_the_span_event() -> None:
    """OpenLIT sends both."""
    ledger = Ledger(chat(events=[event("gen_ai.evaluation.result", RESULT)]))
    ledger.add(log("gen_ai.evaluation.result", RESULT))
    assert len(ledger.scores) == 1


def test_an_evaluation_does_not_reopen_the_run() -> None:
    ledger = Ledger(chat())
    records = ledger.add(log("gen_ai.evaluation.result", RESULT, time=90_000))
    assert [record.record for record in records] == ["score"]


def test_an_evaluation_of_a_span_that_nobody_remembers_still_finds_its_run() -> None:
    (score,) = Ledger(log("gen_ai.evaluation.result", RESULT, span=7)).scores
    assert score.run_id == run_id(7)


def test_two_evaluations_of_one_run_are_two_scores() -> None:
    other = {**RESULT, "gen_ai.evaluation.name": "Groundedness"}
    ledger = Ledger(log("gen_ai.evaluation.result", RESULT), log("gen_ai.evaluation.result", other))
    assert sorted(score.name for score in ledger.scores) == ["Groundedness", "Relevance"]


def test_evaluations_with_keys_of_their_own_are_scores_of_their_own() -> None:
    """OpenLIT's idempotency key tells two feedbacks of one name apart."""
    first = {**RESULT, "openlit.score.idempotency_key": "a"}
    ledger = Ledger(
        log("gen_ai.evaluation.result", first),
        log("gen_ai.evaluation.result", first, time=0.7),
        log("gen_ai.evaluation.result", {**RESULT, "openlit.score.idempotency_key": "b"}),
    )
    assert len(ledger.scores) == 2


def test_a_later_evaluation_of_one_name_replaces_the_earlier_one_whichever_arrives_first() -> None:
    early = log("gen_ai.evaluation.result", RESULT, time=1)
    late = log("gen_ai.evaluation.result", {**RESULT, "gen_ai.evaluation.score.value": 0.2}, time=2)
    for first, second in ((early, late), (late, early)):
        ledger = Ledger(first)
        ledger.add(second)
        assert [score.value for score in ledger.scores] == [0.2]


def test_an_evaluation_names_the_response_where_it_has_no_span() -> None:
    facts = {**RESULT, "gen_ai.response.id": "chatcmpl-1"}
    ledger = Ledger(
        log("gen_ai.evaluation.result", facts, span=None, trace=None),
        log("gen_ai.evaluation.result", {**facts, "gen_ai.response.id": "chatcmpl-2"}, span=None, trace=None),
    )
    assert len(ledger.scores) == 2


@pytest.mark.parametrize("first", ["span", "evaluation"])
def test_an_evaluation_that_names_only_a_response_finds_the_run_that_got_it(first: str) -> None:
    call = chat(response_id="chatcmpl-02922bbe54d1637f4bd3c451634e4")
    facts = {**RESULT, "gen_ai.response.id": "chatcmpl-02922bbe54d1637f4bd3c451634e4"}
    evaluation = log("gen_ai.evaluation.result", facts, span=None, trace=None)
    ledger = Ledger()
    for item in (call, evaluation) if first == "span" else (evaluation, call):
        ledger.add(item)
    (score,) = ledger.scores
    assert score.run_id == run_id(1)


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"gen_ai.evaluation.score.value": 1}, 1),
        ({"gen_ai.evaluation.score.value": "0.5"}, 0.5),
        ({"gen_ai.evaluation.score.label": "pass"}, "pass"),
        ({"gen_ai.evaluation.score": 0.7}, 0.7),
        ({}, None),
    ],
)
def test_values(facts: dict[str, Value], value: Value) -> None:
    (score,) = Ledger(log("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "x", **facts})).scores
    assert score.value == value


def test_an_evaluation_without_a_name_is_none() -> None:
    assert Ledger(log("gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 1})).scores == []


def test_the_name_may_stand_in_an_attribute_and_the_facts_in_the_body() -> None:
    """SDKs from before OTLP 1.5 have no field for the name of an event."""
    record = log("", {"event.name": "gen_ai.evaluation.result"}, body=RESULT)
    (score,) = Ledger(record).scores
    assert (score.name, score.value) == ("Relevance", 0.85)


def test_openlits_guard_event() -> None:
    facts = {"guard.name": "toxicity", "guard.score": 0.9, "guard.classification": "toxic", "guard.explanation": "rude"}
    (score,) = Ledger(chat(events=[event("guard.evaluation", facts)])).scores
    assert (score.name, score.value, score.label, score.comment) == ("toxicity", 0.9, "toxic", "rude")


ANNOTATION = {
    "annotations.0.annotation.name": "thumbs",
    "annotations.0.annotation.label": "up",
    "annotations.0.annotation.annotator_kind": "HUMAN",
    "annotations.1.annotation.name": "relevance",
    "annotations.1.annotation.score": 0.5,
    "annotations.1.annotation.explanation": "so so",
}


def test_openinference_annotations_are_scores_of_their_span() -> None:
    ledger = Ledger(chat(ANNOTATION))
    told = {(score.name, score.value, score.comment, score.source, score.run_id) for score in ledger.scores}
    assert told == {
        ("thumbs", "up", None, "user", run_id(1)),
        ("relevance", 0.5, "so so", "evaluator", run_id(1)),
    }


def test_a_carrier_with_one_link_annotates_the_span_it_points_to() -> None:
    carrier = span({**ANNOTATION, "openinference.span.kind": "EVALUATOR"}, id=9, trace=2, links=[(1, 3)])
    assert {score.run_id for score in Ledger(carrier).scores} == {run_id(3, trace=1)}


def test_an_annotation_that_comes_again_gives_nothing_new() -> None:
    ledger = Ledger(chat(ANNOTATION))
    assert ledger.add(chat(ANNOTATION)) == []


def test_an_identifier_keeps_annotations_of_one_name_apart() -> None:
    twice = {
        "annotations.0.annotation.name": "relevance",
        "annotations.0.annotation.identifier": "judge-a",
        "annotations.1.annotation.name": "relevance",
        "annotations.1.annotation.identifier": "judge-b",
    }
    assert len(Ledger(chat(twice)).scores) == 2


def told(ledger: Ledger) -> set[tuple[str, Value, str | None, str | None, str]]:
    return {(score.name, score.value, score.comment, score.run_id, score.source) for score in ledger.scores}


def test_openinferences_older_evaluations_are_scores_of_their_span() -> None:
    facts = {"evaluations.0.evaluation.name": "relevance", "evaluations.0.evaluation.score": 0.5}
    assert told(Ledger(chat(facts))) == {("relevance", 0.5, None, run_id(1), "evaluator")}


def test_an_annotation_of_a_trace_is_no_single_runs() -> None:
    facts = {"trace.annotations.0.annotation.name": "tone", "trace.annotations.0.annotation.label": "kind"}
    (score,) = Ledger(chat(facts)).scores
    assert (score.name, score.value, score.run_id, score.span_id) == ("tone", "kind", None, None)
    assert score.trace_id is not None


def test_an_annotation_of_a_session_is_the_sessions() -> None:
    facts = {
        "session.id": "s1",
        "session.annotations.0.annotation.name": "solved",
        "session.annotations.0.annotation.score": 1,
    }
    (score,) = Ledger(chat(facts)).scores
    assert (score.name, score.value, score.session_id, score.run_id) == ("solved", 1, "s1", None)


def test_openlits_evaluation_attributes_are_scores() -> None:
    assert told(Ledger(chat({"gen_ai.eval.groundedness": 0.75}))) == {
        ("groundedness", 0.75, None, run_id(1), "evaluator")
    }


def test_a_guard_that_denied_says_so() -> None:
    (score,) = Ledger(chat(events=[event("guard.evaluation", {"guard.name": "pii", "guard.denied": True})])).scores
    assert (score.value, score.label) == ("denied", "denied")


@pytest.mark.parametrize(("kind", "target"), [("llm", 2), ("score", 1)])
def test_braintrusts_scores_belong_to_the_span_or_to_the_one_that_a_score_span_stands_below(
    kind: str, target: int
) -> None:
    scored = span(
        {"braintrust.span_attributes.type": kind, "braintrust.scores": '{"Factuality": 0.9, "Length": null}'},
        id=2,
        parent=1,
    )
    assert told(Ledger(scored)) == {("Factuality", 0.9, None, run_id(target), "evaluator")}


@pytest.mark.parametrize(
    ("output", "expected"), [("0.5", {("judge", 0.5)}), ('{"a": 1, "b": 0}', {("a", 1), ("b", 0)})]
)
def test_a_laminar_evaluators_output_is_a_score_of_the_trace(output: str, expected: set[tuple[str, Value]]) -> None:
    judge = span({"lmnr.span.type": "EVALUATOR", "lmnr.span.output": output}, name="judge", id=2, parent=1)
    ledger = Ledger(judge)
    assert {(score.name, score.value) for score in ledger.scores} == expected
    assert {score.run_id for score in ledger.scores} == {None}


def test_pydantic_evals_cases_carry_scores_assertions_and_labels() -> None:
    case = span(
        {
            "assertions": '{"is_short": {"name": "is_short", "value": true, "reason": "6 words"}}',
            "scores": '{"accuracy": {"name": "accuracy", "value": 0.5, "reason": null}}',
            "labels": '{"tone": {"name": "tone", "value": "dry"}}',
        },
        name="case: one",
        scope="pydantic-evals",
    )
    assert told(Ledger(case)) == {
        ("is_short", True, "6 words", run_id(1), "evaluator"),
        ("accuracy", 0.5, None, run_id(1), "evaluator"),
        ("tone", "dry", None, run_id(1), "evaluator"),
    }


def test_assertions_of_somebody_else_are_an_attribute() -> None:
    ledger = Ledger(chat({"assertions": '{"a": 1}'}))
    assert ledger.scores == []
    assert ledger.run(1).attributes["assertions"] == '{"a": 1}'


def test_logfires_feedback_belongs_to_the_span_it_stands_below() -> None:
    facts = {
        "logfire.span_type": "annotation",
        "logfire.feedback.name": "helpful",
        "helpful": True,
        "logfire.feedback.comment": "thanks",
    }
    ledger = Ledger(chat(id=1), span(facts, name="feedback: helpful = True", scope="logfire", id=2, parent=1))
    assert told(ledger) == {("helpful", True, "thanks", run_id(1), "user")}
    assert not ledger.has(2)


def test_genkits_user_engagement_belongs_to_its_parent_and_is_no_run() -> None:
    facts = {"genkit:type": "userEngagement", "genkit:metadata:subtype": "userFeedback"}
    said = {"genkit:metadata:feedbackValue": "positive", "genkit:metadata:textFeedback": "nice"}
    ledger = Ledger(chat(id=1), span({**facts, **said}, name="user-feedback", id=2, parent=1))
    assert told(ledger) == {("user_feedback", "positive", "nice", run_id(1), "user")}
    assert not ledger.has(2)


def test_an_evaluation_called_feedback_is_the_users() -> None:
    (score,) = Ledger(log("gen_ai.evaluation.result", {**RESULT, "gen_ai.evaluation.name": "user_feedback"})).scores
    assert score.source == "user"


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_a_genai_metric_is_kept_as_it_came() -> None:
    (metric,) = Ledger(point("gen_ai.client.token.usage", {"gen_ai.token.type": "input"})).metrics
    assert (metric.name, metric.unit, metric.kind) == ("gen_ai.client.token.usage", "{token}", "histogram")
    assert (metric.count, metric.sum, metric.bounds, metric.buckets) == (2, 113.0, [64.0], [2, 0])
    assert (metric.started_at, metric.at, metric.attributes) == (at(0), at(60), {"gen_ai.token.type": "input"})


def test_a_metric_of_something_else_is_left_out() -> None:
    assert Ledger(point("http.server.request.duration")).metrics == []


def test_a_data_point_that_comes_again_is_the_same_metric() -> None:
    ledger = Ledger(point("gen_ai.client.token.usage", {"a": 1, "b": 2}))
    ledger.add(point("gen_ai.client.token.usage", {"b": 2, "a": 1}))
    assert len(ledger.metrics) == 1


def test_points_that_differ_in_attributes_or_time_are_different_metrics() -> None:
    ledger = Ledger(
        point("gen_ai.client.token.usage", {"gen_ai.token.type": "input"}),
        point("gen_ai.client.token.usage", {"gen_ai.token.type": "output"}),
        point("gen_ai.client.token.usage", {"gen_ai.token.type": "input"}, time=120),
    )
    assert len(ledger.metrics) == 3
