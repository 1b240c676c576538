"""The hard cases of the conventions' list that concern the transport, by their number."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from spanledger.model.received import Encoding
from tests.receiver.bodies import log_record, logs, span, traces
from tests.receiver.decoding import json_span, json_traces
from tests.receiver.servers import Memory, running, settings

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Sender:
    def __init__(self, session: aiohttp.ClientSession, address: str, memory: Memory) -> None:
        self._session = session
        self._address = address
        self.memory = memory

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.post(f"http://{self._address}{path}", data=body, headers=named) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    memory = Memory()
    async with running(settings(only="http"), memory) as receiver, aiohttp.ClientSession() as session:
        assert receiver.http_address is not None
        yield Sender(session, receiver.http_address, memory)


async def test_case_6_logs_posted_as_traces_are_refused_with_a_hint(sender: Sender) -> None:
    status, body = await sender.post("/v1/traces", logs(log_record("gen_ai.choice")), Content_Type=PROTOBUF)

    assert status in (200, 400)  # none of it is a span: refused whole, or item by item
    assert b"logs" in body
    assert sender.memory.received == []


async def test_case_7_a_gzip_body_without_its_header_is_recognised(sender: Sender) -> None:
    status, _ = await sender.post("/v1/traces", gzip.compress(traces(span("chat"))), Content_Type=PROTOBUF)

    assert status == 200
    assert sender.memory.names == ["chat"]


async def test_case_7_the_header_without_gzip_is_recognised(sender: Sender) -> None:
    status, _ = await sender.post("/v1/traces", traces(span("chat")), Content_Type=PROTOBUF, Content_Encoding="gzip")

    assert status == 200
    assert sender.memory.names == ["chat"]


@pytest.mark.parametrize(
    ("media_type", "encoding"),
    [
        ("application/json; charset=utf-8", Encoding.JSON),
        ("Application/JSON", Encoding.JSON),
        ("application/x-protobuf; messageType=x", Encoding.PROTOBUF),
        ("APPLICATION/X-PROTOBUF", Encoding.PROTOBUF),
    ],
)
async def test_case_8_media_types_are_parsed(sender: Sender, media_type: str, encoding: Encoding) -> None:
    body = json.dumps(json_traces(json_span())).encode() if encoding is Encoding.JSON else traces(span("chat"))

    assert (await sender.post("/v1/traces", body, Content_Type=media_type))[0] == 200
    assert sender.memory.received[0].encoding is encoding


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/otel", "/v1/otel/v1/traces"])
async def test_case_9_both_encodings_on_every_path(sender: Sender, path: str) -> None:
    as_json = json.dumps(json_traces(json_span())).encode()

    assert (await sender.post(path, as_json, Content_Type=JSON))[0] == 200
    assert (await sender.post(path, traces(span("chat")), Content_Type=PROTOBUF))[0] == 200
    assert [received.encoding for received in sender.memory.received] == [Encoding.JSON, Encoding.PROTOBUF]
