"""The processors `attributes` and `resource`, as the Collector's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.attributes import (
    AttributesProcessor,
    AttributesSettings,
    ResourceProcessor,
    ResourceSettings,
)
from spanledger.processors.values import plain_map
from tests.processors.requests import attributes_after, logs, metrics, processed, spans_of, traces


def attributes(*actions: dict[str, Any], **more: Any) -> AttributesProcessor:
    return AttributesProcessor(AttributesSettings.model_validate({"actions": list(actions), **more}))


@pytest.mark.parametrize(
    ("action", "after"),
    [
        ({"key": "new", "action": "insert", "value": 1}, {"a": "x", "n": 7, "new": 1}),
        ({"key": "a", "action": "insert", "value": 1}, {"a": "x", "n": 7}),
        ({"key": "a", "action": "update", "value": ["y", 2]}, {"a": ["y", 2], "n": 7}),
        ({"key": "new", "action": "update", "value": 1}, {"a": "x", "n": 7}),
        ({"key": "new", "action": "upsert", "from_attribute": "n"}, {"a": "x", "n": 7, "new": 7}),
        ({"key": "new", "action": "upsert", "from_attribute": "gone"}, {"a": "x", "n": 7}),
        (
            {"key": "new", "action": "upsert", "from_attribute": "gone", "default_value": "-"},
            {"a": "x", "n": 7, "new": "-"},
        ),
        ({"key": "a", "action": "delete"}, {"n": 7}),
        ({"pattern": "^[an]$", "action": "delete"}, {}),
        ({"key": "a", "action": "hash"}, {"a": "11f6ad8ec52a2984abaafd7c3b516503785c2072", "n": 7}),
        ({"key": "n", "action": "convert", "converted_type": "string"}, {"a": "x", "n": "7"}),
        ({"key": "a", "action": "convert", "converted_type": "int"}, {"a": "x", "n": 7}),
        ({"key": "a", "action": "extract", "pattern": "(?P<letter>[a-z])"}, {"a": "x", "n": 7, "letter": "x"}),
    ],
)
def test_actions(action: dict[str, Any], after: dict[str, Any]) -> None:
    assert attributes_after(attributes(action), {"a": "x", "n": 7}) == after


def test_include_and_exclude_choose_the_items() -> None:
    mark = {"key": "marked", "action": "insert", "value": True}
    processor = attributes(
        mark,
        include={"match_type": "regexp", "services": ["^sh.p$"], "span_names": ["^chat"]},
        exclude={"match_type": "strict", "attributes": [{"key": "env", "value": "dev"}]},
    )
    request = traces({"name": "chat a"}, {"name": "chat b", "attributes": {"env": "dev"}}, {"name": "embed"})
    found = [plain_map(span.attributes).get("marked") for span in spans_of(processed(processor, request))]
    assert found == [True, None, None]


def test_log_records_and_data_points_are_items_too() -> None:
    processor = attributes({"key": "secret", "action": "delete"})
    records = processed(processor, logs({"attributes": {"secret": "x", "b": 1}}), Signal.LOGS)
    assert plain_map(records.resource_logs[0].scope_logs[0].log_records[0].attributes) == {"b": 1}
    gauges = processed(processor, metrics(m=[{"secret": "x"}, {"b": 1}]), Signal.METRICS)
    points = gauges.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
    assert [plain_map(point.attributes) for point in points] == [{}, {"b": 1}]


def test_resource_changes_what_items_share() -> None:
    settings = {"attributes": [{"key": "deployment.environment.name", "action": "upsert", "value": "prod"}]}
    request = processed(ResourceProcessor(ResourceSettings.model_validate(settings)), traces({"name": "a"}))
    assert plain_map(request.resource_spans[0].resource.attributes) == {
        "service.name": "shop",
        "deployment.environment.name": "prod",
    }


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"action": "insert", "value": 1}, "missing required field key"),
        ({"key": "a", "action": "upsert"}, "missing required field value"),
        ({"key": "a", "action": "extract", "pattern": "x"}, "no named group"),
        ({"key": "a", "action": "delete", "pattern": "("}, "not a regular expression"),
        ({"key": "a", "action": "convert"}, "missing required field converted_type"),
        ({"key": "a", "action": "explode"}, "input should be"),
    ],
)
def test_an_action_that_cannot_be_done_is_a_mistake(action: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=r"(?i)" + words):
        AttributesSettings.model_validate({"actions": [action]})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("metadata.X-Tenant", "acme;shop"),
        ("x-tenant", "acme;shop"),
        ("metadata.none", None),
        ("auth.project", "shop"),
        ("auth.username", None),
        ("client.address", "192.0.2.7"),
    ],
)
def test_what_came_with_the_request(source: str, expected: str | None) -> None:
    context = RequestContext("192.0.2.7", {"x-tenant": ["acme", "shop"]}, {"project": "shop"})
    request = processed(
        attributes({"key": "a", "action": "upsert", "from_context": source}), traces({}), context=context
    )
    assert plain_map(spans_of(request)[0].attributes).get("a") == expected


def test_what_is_never_known_of_a_sender_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="expected subject, username, project"):
        attributes({"key": "a", "action": "upsert", "from_context": "auth.membership"})
