"""Lunary's ingest and a gateway's request log over HTTP: what is answered, and what reaches the log."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from spanledger.access.authenticator import Authenticator, Everyone, Sender
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.errors import PayloadError
from spanledger.model.client_event import ClientEvent
from spanledger.model.received import Encoding, Intake, Received
from spanledger.receiver.client_events import ClientEvents
from spanledger.receiver.wire.client_events import decode_client_events, read_gateway


class Kept(Intake):
    """Remembers what it accepted."""

    def __init__(self) -> None:
        self.received: list[Received] = []

    def check_room(self, size: int | None) -> None:
        return

    async def accept(self, received: Received) -> None:
        self.received.append(received)


def event(run_id: Any = "r1", what: str = "start", **more: Any) -> dict[str, Any]:
    return {"event": what, "type": "llm", "runId": run_id, **more}


async def take(events: Any, authenticator: Authenticator | None = None, key: str = "") -> tuple[Any, list[Received]]:
    kept = Kept()
    authenticator = authenticator or Everyone("p")
    caller = authenticator.authenticate({"authorization": f"Bearer {key}"})
    client = ClientEvents(kept)
    results = await client.take(Sender(caller, authenticator), Encoding.LUNARY, msgspec.json.encode(events))  # type: ignore[arg-type]
    client.close()
    return results["results"], kept.received


async def test_one_bad_event_spoils_no_other() -> None:
    results, received = await take({"events": [event("a"), 7, event(None), event("b", "sing"), event("c", "end")]})

    assert results == [
        {"id": "a", "success": True},
        {"id": None, "success": False, "error": "events[1]: expected an object"},
        {"id": None, "success": False, "error": "events[2].runId: expected a text of 1 to 1000 characters"},
        {
            "id": "b",
            "success": False,
            "error": "events[3].event: expected one of start, end, error, feedback, chat, custom-event, update",
        },
        {"id": "c", "success": True},
    ]
    (one,) = received
    assert [item.body["runId"] for item in one.items if isinstance(item, ClientEvent)] == ["a", "c"]
    assert [item.body["runId"] for item in decode_client_events(one.encoding, one.body).items] == ["a", "c"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", [{"events": event()}, {"events": [[event()]]}, [event()], {"events": [event(), {"type": "log"}]}]
)
async def test_events_may_come_wrapped_in_many_ways(body: Any) -> None:
    results, received = await take(body)

    assert all(result["success"] for result in results)
    assert len(received[0].items) == 1


@pytest.mark.parametrize("body", [{}, {"events": "x"}, 7, {"runs": []}])
async def test_a_body_without_events_is_refused(body: Any) -> None:
    with pytest.raises(PayloadError, match="holds no events"):
        await take(body)


async def test_an_app_id_that_is_a_key_redirects_its_event() -> None:
    projects = Projects(
        ProjectsSettings.model_validate(
            {
                "projects": [
                    {"id": "one", "public_keys": ["key-of-one"], "private_keys": ["private-one"]},
                    {"id": "two", "public_keys": ["key-of-two"], "private_keys": ["private-two"]},
                ]
            }
        )
    )
    await projects.start()

    results, received = await take(
        {"events": [event("a"), event("b", appId="key-of-two"), event("c", appId="nobody's key")]},
        projects,
        "key-of-one",
    )

    assert [result["success"] for result in results] == [True, True, False]
    assert {each.project_id: [item.body["runId"] for item in each.items] for each in received} == {  # type: ignore[union-attr]
        "one": ["a"],
        "two": ["b"],
    }
    await projects.stop()


def test_a_request_log_may_be_an_array_or_lines() -> None:
    document = {"attributes": {"id": "m1", "request": {}, "response": {}}}
    lines = b"\n".join([json.dumps(document).encode(), b"", b"{broken", json.dumps(document).encode()])

    assert [each.id for each in read_gateway(json.dumps([document, document]).encode())] == ["m1", "m1"]
    assert [(each.id, each.error) for each in read_gateway(lines)] == [
        ("m1", None),
        (None, "line 3 is not JSON"),
        ("m1", None),
    ]


def test_a_comment_in_json_is_named_with_its_line() -> None:
    with pytest.raises(PayloadError, match="line 2 begins a comment"):
        read_gateway(b'[{"a": 1},\n  // the second\n {"b": 2}]')
