"""Encrypted listeners: certificates, clients that must show one, renewal while running."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import uvloop
from pydantic import ValidationError

from spanledger.errors import ConfigError
from spanledger.receiver.otlp import OtlpReceiver
from spanledger.receiver.settings import HttpSettings
from spanledger.receiver.tls import Certificates, TlsSettings
from tests.receiver.bodies import span, traces
from tests.receiver.certificates import Authority, overwrite
from tests.receiver.servers import TRACE_SERVICE, Memory, raw_call, running, settings
from tests.receiver.tables import TABLE

HEADERS = {"Content-Type": "application/x-protobuf"}
OVER_GRPC = traces(span("over grpcs"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Served:
    def __init__(self, receiver: OtlpReceiver, memory: Memory) -> None:
        self.receiver = receiver
        self.memory = memory

    async def post(self, context: ssl.SSLContext) -> int:
        url = f"{self.receiver.http_url}/v1/traces"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=traces(span("over https")), headers=HEADERS, ssl=context) as response,
        ):
            return response.status

    async def export(self, credentials: grpc.ChannelCredentials, body: bytes = OVER_GRPC) -> bytes:
        assert self.receiver.grpc_address is not None
        async with grpc.aio.secure_channel(self.receiver.grpc_address, credentials) as channel:
            answer: bytes = await raw_call(channel, TRACE_SERVICE)(body)
            return answer

    async def over_tls(self, address: str | None, context: ssl.SSLContext) -> asyncio.StreamWriter:
        """A connection."""
        assert address is not None
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
        return writer

    async def serial(self, trusting: ssl.SSLContext) -> str:
        """Of the certificate that HTTP shows now."""
        writer = await self.over_tls(self.receiver.http_address, trusting)
        found = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return str(found)


@asynccontextmanager
async def serving(**tls: Any) -> AsyncIterator[Served]:
    memory = Memory()
    async with running(settings(grpc={"tls": tls}, http={"tls": tls}), memory) as receiver:
        yield Served(receiver, memory)


async def test_both_protocols_are_encrypted(authority: Authority) -> None:
    async with serving(**authority.issue()) as served:
        assert (served.receiver.http_url or "").startswith("https://127.0.0.1:")
        assert await served.post(authority.client()) == 200
        assert await served.export(authority.grpc_client()) == b""
        assert served.memory.names == ["over https", "over grpcs"]


async def test_a_certificate_may_stand_in_the_configuration(authority: Authority) -> None:
    async with serving(**authority.issue_inline()) as served:
        assert await served.post(authority.client()) == 200
        assert await served.export(authority.grpc_client()) == b""


def test_it_is_the_same_on_uvloop(authority: Authority) -> None:
    async def post() -> None:
        async with serving(**authority.issue()) as served:
            assert await served.post(authority.client()) == 200
            body = traces(span("large", {"text": "x" * 3_000_000}))
            assert await served.export(authority.grpc_client(), body) == b""

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(post())


async def test_clients_without_a_certificate_stay_outside(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").issue("client")
    async with serving(**authority.issue(), client_ca_file=str(authority.file)) as served:
        own = authority.issue("client")
        assert await served.post(authority.client(own)) == 200
        assert await served.export(authority.grpc_client(own)) == b""
        for other in (None, stranger):
            with pytest.raises((aiohttp.ClientError, OSError)):
                await served.post(authority.client(other))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await served.export(authority.grpc_client(other))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(served.memory.names) == 2


@pytest.mark.parametrize("talk", [b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 200])
async def test_what_is_no_tls_is_cut_off_quietly(
    authority: Authority, talk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(**authority.issue()) as served:
        for address in (served.receiver.http_address, served.receiver.grpc_address):
            assert address is not None
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(talk)
            assert b"HTTP/1.1 200" not in await reader.read()
            writer.close()
        assert await served.post(authority.client()) == 200
    assert caplog.text == ""


async def test_a_version_can_be_demanded(authority: Authority) -> None:
    async with serving(**authority.issue(), min_version="1.3") as served:
        assert await served.post(authority.client()) == 200
        assert await served.export(authority.grpc_client()) == b""
        with pytest.raises((aiohttp.ClientError, OSError)):
            await served.post(authority.client(maximum_version=ssl.TLSVersion.TLSv1_2))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served.over_tls(
                served.receiver.grpc_address, authority.client(maximum_version=ssl.TLSVersion.TLSv1_2)
            )


async def test_the_protocol_is_agreed_on(authority: Authority) -> None:
    """Go's clients of gRPC close a connection that does not name it."""
    async with serving(**authority.issue()) as served:
        for address, spoken in ((served.receiver.grpc_address, "h2"), (served.receiver.http_address, "http/1.1")):
            context = authority.client()
            context.set_alpn_protocols(["h2", "http/1.1"])
            writer = await served.over_tls(address, context)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == spoken
            writer.close()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_ciphers_can_be_named(authority: Authority, protocol: str) -> None:
    tls = {
        **authority.issue(),
        "max_version": "1.2",
        "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
    }
    async with serving(**tls) as served:
        address = served.receiver.grpc_address if protocol == "grpc" else served.receiver.http_address
        writer = await served.over_tls(address, authority.client())
        assert writer.get_extra_info("ssl_object").cipher()[:2] == ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2")
        writer.close()


async def test_a_renewed_certificate_is_served_without_a_restart(authority: Authority) -> None:
    tls = authority.issue()
    async with serving(**tls, reload_interval="1ns") as served:
        first = await served.serial(authority.client())
        authority.issue()
        assert await served.serial(authority.client()) != first
        assert await served.export(authority.grpc_client()) == b""


async def test_grpc_takes_a_certificate_of_another_authority(authority: Authority, tmp_path: Path) -> None:
    tls = authority.issue()
    other = Authority(tmp_path, "other")
    async with serving(**tls, reload_interval="1ns") as served:
        other.issue_to(tls)
        assert await served.export(other.grpc_client()) == b""
        with pytest.raises(grpc.aio.AioRpcError):
            await served.export(authority.grpc_client())


async def test_a_new_authority_of_clients_counts_from_then_on(authority: Authority, tmp_path: Path) -> None:
    clients, later = Authority(tmp_path, "clients"), Authority(tmp_path, "later")
    tls = {**authority.issue(), "client_ca_file": str(clients.file), "reload_interval": "1ns"}
    old, new = clients.issue("client"), later.issue("client")
    async with serving(**tls) as served:
        assert await served.post(authority.client(old)) == 200
        overwrite(clients.file, later.certificate)
        assert await served.post(authority.client(new)) == 200
        assert await served.export(authority.grpc_client(new)) == b""
        with pytest.raises((aiohttp.ClientError, OSError)):
            await served.post(authority.client(old))


async def test_a_half_written_renewal_changes_nothing(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    tls = authority.issue()
    async with serving(**tls, reload_interval="1ns") as served:
        first = await served.serial(authority.client())
        overwrite(tls["key_file"], b"half a k")
        assert await served.serial(authority.client()) == first
        assert await served.serial(authority.client()) == first
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(said) == 1, "once, and not for every connection"
        assert said[0].startswith(f"protocols::http::tls: certificate ({tls['cert_file']}) and key ({tls['key_file']})")
        assert said[0].endswith("; the certificate stays as it was")
        assert "half a k" not in caplog.text
        authority.issue()
        assert await served.serial(authority.client()) != first


def test_files_are_looked_at_no_more_often_than_asked(authority: Authority) -> None:
    tls = TlsSettings.model_validate({**authority.issue(), "reload_interval": "60s"})
    now = [0.0]
    certificates = Certificates(tls, "tls", "h2", clock=lambda: now[0])
    before = certificates._current()
    authority.issue()
    now[0] = 59.0
    assert certificates._current() == before
    now[0] = 60.0
    assert certificates._current() != before


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_file_that_is_missing_is_named(protocol: str, authority: Authority) -> None:
    tls = {**authority.issue(), "key_file": "/nowhere/server.key"}
    receiver = OtlpReceiver(settings(**{protocol: {"tls": tls}}, only=protocol), TABLE, Memory())
    message = f"^protocols::{protocol}::tls: cannot read /nowhere/server.key: No such file or directory$"
    with pytest.raises(ConfigError, match=message):
        await receiver.start()


async def test_a_key_of_another_certificate_is_said(authority: Authority) -> None:
    tls = {**authority.issue(), "key_file": authority.issue("other")["key_file"]}
    receiver = OtlpReceiver(settings(http={"tls": tls}, only="http"), TABLE, Memory())
    with pytest.raises(ConfigError, match=r"cannot be used: key values mismatch$"):
        await receiver.start()


async def test_an_authority_that_is_none_is_said(authority: Authority, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    receiver = OtlpReceiver(
        settings(http={"tls": {**authority.issue(), "client_ca_file": str(nothing)}}, only="http"), TABLE, Memory()
    )
    with pytest.raises(ConfigError, match=r"nothing\.pem holds no certificate of an authority$"):
        await receiver.start()


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ({}, "expected cert_file or cert_pem, one of both"),
        ({"cert_file": "a"}, "expected key_file or key_pem, one of both"),
        ({"cert_file": "a", "cert_pem": "b", "key_file": "c"}, "expected cert_file or cert_pem, one of both"),
        (
            {"cert_file": "a", "key_file": "b", "min_version": "1.3", "max_version": "1.2"},
            "expected a max_version that is no older than min_version",
        ),
        ({"cert_file": "a", "key_file": "b", "min_version": "1.1"}, "Input should be '1.2' or '1.3'"),
        ({"cert_file": "a", "key_file": "b", "insecure": True}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_named(tls: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HttpSettings.model_validate({"tls": tls})
    assert message in refused.value.errors()[0]["msg"]
