"""The processors `redaction` and `probabilistic_sampler`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.model.received import Signal
from spanledger.processors.redaction import RedactionProcessor, RedactionSettings
from spanledger.processors.sampler import SamplerProcessor, SamplerSettings
from spanledger.processors.values import plain, plain_map
from tests.processors.requests import attributes_after, logs, processed, spans_of, traces

CARD = "4[0-9]{12}(?:[0-9]{3})?"


def redacting(**settings: Any) -> RedactionProcessor:
    return RedactionProcessor(RedactionSettings.model_validate(settings))


def sampling(**settings: Any) -> SamplerProcessor:
    return SamplerProcessor(SamplerSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ({"allowed_keys": ["note"]}, {"note": "card 4111111111111111 of ada"}),
        ({"allow_all_keys": True}, {"note": "card 4111111111111111 of ada", "token": "t", "n": 4111111111111111}),
        (
            {"allow_all_keys": True, "blocked_values": [CARD]},
            {"note": "card **** of ada", "token": "t", "n": 4111111111111111},
        ),
        (
            {"allow_all_keys": True, "blocked_values": [CARD], "redact_all_types": True},
            {"note": "card **** of ada", "token": "t", "n": "****"},
        ),
        (
            {"allow_all_keys": True, "blocked_key_patterns": ["^tok"]},
            {"note": "card 4111111111111111 of ada", "token": "****", "n": 4111111111111111},
        ),
        (
            {"allow_all_keys": True, "blocked_values": [CARD], "allowed_values": ["of ada$"]},
            {"note": "card 4111111111111111 of ada", "token": "t", "n": 4111111111111111},
        ),
        (
            {"allowed_keys": ["note"], "ignored_keys": ["token"], "blocked_values": ["ada"], "hash_function": "md5"},
            {"note": "card 4111111111111111 of 8c8d357b5e872bbacd45197626bd5759", "token": "t"},
        ),
        (
            {"allowed_keys": ["note"], "blocked_values": ["ada"], "summary": "debug"},
            {
                "note": "card 4111111111111111 of ****",
                "redaction.redacted.keys": "n,token",
                "redaction.redacted.count": 2,
                "redaction.masked.keys": "note",
                "redaction.masked.count": 1,
            },
        ),
    ],
)
def test_attributes_are_masked_or_deleted(settings: dict[str, Any], after: dict[str, Any]) -> None:
    before = {"note": "card 4111111111111111 of ada", "token": "t", "n": 4111111111111111}
    assert attributes_after(redacting(**settings), before) == after


def test_resources_events_and_log_bodies_are_covered() -> None:
    processor = redacting(allow_all_keys=True, blocked_values=["ada"])
    event = {"name": "e", "attributes": {"user": "ada"}}
    request = processed(processor, traces({"name": "a", "events": [event]}, resource={"host": "ada-1"}))
    assert plain_map(request.resource_spans[0].resource.attributes) == {"host": "****-1"}
    assert plain_map(spans_of(request)[0].events[0].attributes) == {"user": "****"}
    records = processed(processor, logs({"body": "hi ada"}, {"body": {"to": {"name": "ada"}}}), Signal.LOGS)
    bodies = [plain(record.body) for record in records.resource_logs[0].scope_logs[0].log_records]
    assert bodies == ["hi ****", {"to": {"name": "****"}}]


@given(st.dictionaries(st.text(max_size=5), st.text("ada4 ", max_size=12), max_size=8))
def test_nothing_blocked_is_left(attributes: dict[str, str]) -> None:
    after = attributes_after(redacting(allow_all_keys=True, blocked_values=["ada", "4+"]), attributes)
    assert set(after) == set(attributes)
    assert not any("ada" in value or "4" in value for value in after.values())


def spans(count: int) -> Any:
    request = traces(*[{"name": str(number)} for number in range(count)])
    for number, span in enumerate(spans_of(request)):
        span.trace_id = (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)).to_bytes(16, "big")
    return request


@pytest.mark.parametrize("seed", [0, 22])
def test_about_the_share_of_the_traces_is_kept(seed: int) -> None:
    processor = sampling(sampling_percentage=25, hash_seed=seed)
    kept = spans_of(processed(processor, spans(200)))
    assert 30 <= len(kept) <= 70
    assert processor.dropped == 200 - len(kept)


def test_what_a_lower_share_keeps_a_higher_keeps_too() -> None:
    few = {span.trace_id for span in spans_of(processed(sampling(sampling_percentage=10), spans(100)))}
    many = {span.trace_id for span in spans_of(processed(sampling(sampling_percentage=50), spans(100)))}
    assert few <= many


def test_an_application_may_insist_on_a_span() -> None:
    request = traces(
        {"name": "kept", "attributes": {"sampling.priority": 1}},
        {"name": "dropped", "attributes": {"sampling.priority": 0}},
    )
    assert [span.name for span in spans_of(processed(sampling(sampling_percentage=0), request))] == ["kept"]


def test_logs_go_with_their_trace_and_those_without_are_dropped_unless_asked_for() -> None:
    (trace_id,) = {span.trace_id for span in spans_of(processed(sampling(sampling_percentage=10), spans(20)))} or {b""}
    records = [{"trace_id": trace_id, "body": "with"}, {"body": "without"}]
    for closed, bodies in ((True, ["with"]), (False, ["with", "without"])):
        processor = sampling(sampling_percentage=10, fail_closed=closed)
        left = processed(processor, logs(*records), Signal.LOGS)
        assert [plain(r.body) for r in left.resource_logs[0].scope_logs[0].log_records] == bodies
