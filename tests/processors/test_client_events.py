"""What comes by Lunary's ingest and as a gateway's log goes through the processors that spans go through."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from spanledger.access.authenticator import Everyone, Sender
from spanledger.access.caller import Caller
from spanledger.model.received import Encoding, Intake, Received, Signal
from spanledger.processors.attributes import AttributesProcessor, AttributesSettings
from spanledger.processors.base import Processor
from spanledger.processors.chain import Chain
from spanledger.processors.filter import FilterProcessor, FilterSettings
from spanledger.processors.fork import Fork
from spanledger.processors.intake import ProcessingIntake
from spanledger.processors.python import PythonProcessor, PythonSettings
from spanledger.processors.redaction import RedactionProcessor, RedactionSettings
from spanledger.processors.transform import TransformProcessor, TransformSettings
from spanledger.receiver.client_events import ClientEvents
from spanledger.service import decode_body

CARD = "4111111111111111"
START: dict[str, Any] = {
    "event": "start",
    "type": "llm",
    "runId": "8a7f3c1e-0000-4000-8000-000000000001",
    "parentRunId": "8a7f3c1e-0000-4000-8000-000000000002",
    "appId": "key-1",
    "timestamp": "2026-03-01T10:00:00Z",
    "name": "gpt-4o-mini",
    "input": [{"role": "user", "content": f"Charge {CARD}, please"}],
    "userId": "ada",
    "userProps": {"email": "ada@example.com", "age": 36},
    "metadata": {"customer": "7", "nested": {"card": CARD}},
    "tokensUsage": {"prompt": 12, "completion": None},
    "parentless": None,
}
DOCUMENT: dict[str, Any] = {
    "timestamp": "2026-03-01T10:00:02Z",
    "resource": {"service.name": "gateway"},
    "name": "completion",
    "attributes": {
        "id": "req-1",
        "provider": "openai",
        "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Charge {CARD}"}]},
        "response": {"streamed_data": [{"x": 1}], "choices": [{"message": {"content": f"Charged {CARD}"}}]},
        "metadata": {"latency": 5, "region": "eu"},
    },
}
HIDE = RedactionProcessor(RedactionSettings(allow_all_keys=True, blocked_values=("4[0-9]{15}",)))


class Kept(Intake):
    def __init__(self) -> None:
        self.received: list[Received] = []

    def check_room(self, size: int | None) -> None: ...

    async def accept(self, received: Received) -> int | None:
        self.received.append(received)
        return len(self.received)


async def through(processor: Processor, encoding: Encoding, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """What the log gets, read again from the bytes that it holds."""
    body = json.dumps({"events": bodies} if encoding is Encoding.LUNARY else bodies).encode()
    kept = Kept()
    intake = ProcessingIntake(kept, {("", Signal.TRACES): Fork(Chain([processor]), "")}, decode_body)
    items = decode_body(Signal.TRACES, encoding, body).items
    await intake.accept(Received("default", Signal.TRACES, encoding, body, items, 1))
    intake.close()
    if not kept.received:
        return []
    (received,) = kept.received
    again = decode_body(Signal.TRACES, encoding, received.body)
    assert [item.body for item in again.items] == [item.body for item in received.items]  # type: ignore[union-attr]
    return [item.body for item in again.items]  # type: ignore[union-attr]


async def test_values_are_masked_wherever_an_event_holds_them() -> None:
    (event,) = await through(HIDE, Encoding.LUNARY, START)

    assert CARD not in json.dumps(event)
    assert event["input"] == [{"role": "user", "content": "Charge ****, please"}]
    assert event["metadata"] == {"customer": "7", "nested": {"card": "****"}}


async def test_what_no_processor_touched_stays_as_it_was_sent() -> None:
    nothing = AttributesProcessor(
        AttributesSettings.model_validate({"actions": [{"key": "unheard.of", "action": "delete"}]})
    )

    assert await through(nothing, Encoding.LUNARY, START) == [START]
    assert await through(nothing, Encoding.GATEWAY, DOCUMENT) == [DOCUMENT]


async def test_attributes_that_nobody_listed_go_and_the_event_stays_one() -> None:
    strict = RedactionProcessor(RedactionSettings(allowed_keys=("userId", "metadata.customer")))

    (event,) = await through(strict, Encoding.LUNARY, START)

    kept = ("event", "type", "runId", "parentRunId", "appId", "timestamp", "userId", "parentless")
    assert event == {name: START[name] for name in kept} | {
        "metadata": {"customer": "7"},
        "userProps": {},
        "tokensUsage": {"completion": None},
    }


async def test_attributes_are_changed_and_added() -> None:
    actions = [
        {"key": "userProps.email", "action": "hash"},
        {"key": "userId", "action": "update", "value": "someone"},
        {"key": "team", "action": "insert", "value": "search"},
        {"key": "runId", "action": "update", "value": "another"},
        {"key": "metadata.customer", "action": "delete"},
    ]
    processor = AttributesProcessor(AttributesSettings.model_validate({"actions": actions}))

    (event,) = await through(processor, Encoding.LUNARY, START)

    assert (event["runId"], event["userId"]) == (START["runId"], "someone")
    assert event["metadata"] == {"nested": {"card": CARD}, "team": "search"}
    assert event["userProps"]["age"] == 36
    assert event["userProps"]["email"] not in ("ada@example.com", None)


async def test_statements_change_messages_as_text() -> None:
    statement = 'replace_pattern(span.attributes["input"], "[0-9]{16}", "<card>")'
    processor = TransformProcessor(TransformSettings.model_validate({"trace_statements": [statement]}))

    (event,) = await through(processor, Encoding.LUNARY, START)

    assert event["input"] == [{"role": "user", "content": "Charge <card>, please"}]


async def test_a_filter_drops_events_one_by_one() -> None:
    condition = 'attributes["type"] == "tool" or attributes["userId"] == "ada"'
    processor = FilterProcessor(FilterSettings.model_validate({"traces": {"span": [condition]}}))
    other = START | {"userId": "bob"}

    assert await through(processor, Encoding.LUNARY, START, other) == [other]
    assert await through(processor, Encoding.LUNARY, START) == []


async def test_a_document_of_a_gateway_is_masked_and_its_chunks_go() -> None:
    (document,) = await through(HIDE, Encoding.GATEWAY, DOCUMENT)

    expected = copy.deepcopy(DOCUMENT)
    expected["attributes"]["request"]["messages"][0]["content"] = "Charge ****"
    expected["attributes"]["response"] = {"choices": [{"message": {"content": "Charged ****"}}]}
    assert document == expected


async def test_attributes_of_the_resource_reach_a_document_and_the_metadata_of_an_event() -> None:
    processor = TransformProcessor(
        TransformSettings.model_validate({"trace_statements": ['set(resource.attributes["deployment"], "blue")']})
    )

    (document,) = await through(processor, Encoding.GATEWAY, DOCUMENT)
    (event,) = await through(processor, Encoding.LUNARY, START)

    assert document["resource"] == {"service.name": "gateway", "deployment": "blue"}
    assert event["metadata"]["deployment"] == "blue"


async def test_an_event_that_a_processor_gives_up_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "refuses_bob.py").write_text(
        "def refuse(span, scope, resource):\n"
        "    for attribute in span.attributes:\n"
        "        if attribute.key == 'userId' and attribute.value.string_value == 'bob':\n"
        "            raise ValueError('bob')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = PythonSettings.model_validate({"function": "refuses_bob:refuse", "error_mode": "propagate"})
    kept = Kept()
    intake = ProcessingIntake(kept, {("", Signal.TRACES): Fork(Chain([PythonProcessor(settings)]), "")}, decode_body)
    events = ClientEvents(intake)
    body = json.dumps({"events": [START, START | {"userId": "bob"}, {"type": "log", "runId": "x"}]}).encode()

    told = await events.take(Sender(Caller("default"), Everyone()), Encoding.LUNARY, body)
    events.close()
    intake.close()

    assert [each["success"] for each in told["results"]] == [True, False, True]
    assert told["results"][1]["error"] == "refuses_bob:refuse failed: ValueError"
    assert [len(received.items) for received in kept.received] == [1]
