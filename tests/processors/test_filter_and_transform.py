"""The processors `filter` and `transform`: where statements run, what an error does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from spanledger.model.context import NO_CONTEXT
from spanledger.model.received import Signal
from spanledger.processors.base import ProcessorError
from spanledger.processors.filter import FilterProcessor, FilterSettings
from spanledger.processors.transform import TransformProcessor, TransformSettings
from spanledger.processors.values import plain_map
from tests.processors.requests import logs, metrics, processed, spans_of, traces


def filtering(**settings: Any) -> FilterProcessor:
    return FilterProcessor(FilterSettings.model_validate(settings))


def transforming(**settings: Any) -> TransformProcessor:
    return TransformProcessor(TransformSettings.model_validate(settings))


def test_a_span_that_any_condition_holds_for_is_dropped() -> None:
    processor = filtering(traces={"span": ['attributes["http.route"] == "/health"', 'name == "ping"']})
    request = traces({"name": "GET", "attributes": {"http.route": "/health"}}, {"name": "ping"}, {"name": "chat"})
    assert [span.name for span in spans_of(processed(processor, request))] == ["chat"]
    assert processor.dropped == 2


def test_groups_that_are_left_empty_go_too() -> None:
    request = processed(filtering(traces={"span": ["true"]}), traces({"name": "a"}))
    assert len(request.resource_spans) == 0


def test_conditions_may_say_their_context_themselves() -> None:
    processor = filtering(
        trace_conditions=['resource.attributes["service.name"] == "noise"'],
        log_conditions=["log.severity_number < SEVERITY_NUMBER_WARN"],
    )
    assert spans_of(processed(processor, traces({"name": "a"}, resource={"service.name": "noise"}))) == []
    records = processed(processor, logs({"severity_number": 9}, {"severity_number": 17}), Signal.LOGS)
    assert [record.severity_number for record in records.resource_logs[0].scope_logs[0].log_records] == [17]


def test_events_and_data_points_are_dropped_out_of_what_holds_them() -> None:
    processor = filtering(
        traces={"spanevent": ['name == "token"']}, metrics={"datapoint": ['attributes["model"] == "a"']}
    )
    (span,) = spans_of(
        processed(processor, traces({"name": "chat", "events": [{"name": "token"}, {"name": "exception"}]}))
    )
    assert [event.name for event in span.events] == ["exception"]
    left = processed(processor, metrics(one=[{"model": "a"}], two=[{"model": "a"}, {"model": "b"}]), Signal.METRICS)
    assert [(m.name, len(m.gauge.data_points)) for m in left.resource_metrics[0].scope_metrics[0].metrics] == [
        ("two", 1)
    ]


@pytest.mark.parametrize(("mode", "kept"), [("ignore", ["a"]), ("silent", ["a"]), ("propagate", None)])
def test_a_condition_that_fails_keeps_the_span_or_refuses_the_request(mode: str, kept: list[str] | None) -> None:
    processor = filtering(error_mode=mode, traces={"span": ['Len(attributes["n"]) > 1']})
    request = traces({"name": "a", "attributes": {"n": 7}})
    if kept is None:
        with pytest.raises(ProcessorError, match="Len wants text"):
            processor.process(Signal.TRACES, request, NO_CONTEXT)
    else:
        assert [span.name for span in spans_of(processed(processor, request))] == kept


def test_statements_run_in_order_each_on_its_context() -> None:
    processor = transforming(
        trace_statements=[
            {"context": "resource", "statements": ['set(attributes["team"], "a")']},
            {
                "context": "span",
                "conditions": ['name == "chat"', 'name == "embed"'],
                "statements": [
                    'set(attributes["team"], resource.attributes["team"])',
                    'set(cache["n"], Len(name))',
                    'set(attributes["length"], cache["n"])',
                ],
            },
            'set(spanevent.attributes["span"], span.name)',
        ]
    )
    request = traces({"name": "chat", "events": [{"name": "e"}]}, {"name": "GET"})
    chat, get = spans_of(processed(processor, request))
    assert plain_map(chat.attributes) == {"team": "a", "length": 4}
    assert plain_map(chat.events[0].attributes) == {"span": "chat"}
    assert plain_map(get.attributes) == {}


def test_bodies_of_logs_and_metrics_can_be_changed() -> None:
    processor = transforming(
        log_statements=[{"context": "log", "statements": ['set(body["user"], SHA1(body["user"]))']}],
        metric_statements=['set(metric.name, Concat(["x", metric.name], "."))'],
    )
    records = processed(processor, logs({"body": {"user": "x", "b": 1}}), Signal.LOGS)
    assert plain_map(records.resource_logs[0].scope_logs[0].log_records[0].body.kvlist_value.values) == {
        "user": "11f6ad8ec52a2984abaafd7c3b516503785c2072",
        "b": 1,
    }
    gauges = processed(processor, metrics(m=[{}]), Signal.METRICS)
    assert gauges.resource_metrics[0].scope_metrics[0].metrics[0].name == "x.m"


def test_a_statement_that_fails_does_not_stop_the_next() -> None:
    processor = transforming(
        error_mode="ignore",
        trace_statements=['set(span.attributes["a"], 1 / 0)', 'set(span.attributes["b"], 1)'],
    )
    (span,) = spans_of(processed(processor, traces({"name": "a"})))
    assert plain_map(span.attributes) == {"b": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trace_statements": ['set(attributes["a"], 1)']}, "no path says its context"),
        ({"log_statements": ['set(span.name, "a")']}, "span is no context of logs"),
        ({"trace_statements": [{"context": "log", "statements": ["set(body, 1)"]}]}, "log is no context of traces"),
        ({"trace_statements": ['set(span.name "a")']}, "at column 15"),
        ({}, "at least one statement"),
    ],
)
def test_statements_that_cannot_run_are_mistakes(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TransformSettings.model_validate(settings)


def test_the_old_way_to_filter_is_told_to_be_gone() -> None:
    with pytest.raises(ValidationError, match="write OTTL conditions"):
        FilterSettings.model_validate({"spans": {"include": {"match_type": "strict"}}})
