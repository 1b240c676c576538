"""Functions of users, and processors one after the other on a body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.errors import ConfigError, PayloadError
from spanledger.model.received import Encoding, Signal
from spanledger.processors.attributes import AttributesProcessor, AttributesSettings
from spanledger.processors.chain import Chain
from spanledger.processors.filter import FilterProcessor, FilterSettings
from spanledger.processors.python import PythonProcessor, PythonSettings
from spanledger.processors.values import plain_map
from tests.processors.requests import processed, spans_of, traces

MODULE = """\
def keep_only_prod(span, scope, resource):
    return any(a.key == "env" and a.value.string_value == "prod" for a in resource.attributes)

class Rename:
    def __init__(self, prefix):
        self.prefix = prefix
    def __call__(self, span, scope, resource):
        span.name = self.prefix + span.name

def broken(span, scope, resource):
    raise ZeroDivisionError("a secret")

number = 7
"""


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of a user's, one for each test: Python keeps what it imported."""
    name = "users_" + "".join(char if char.isalnum() else "_" for char in request.node.name)
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def own(**settings: Any) -> PythonProcessor:
    return PythonProcessor(PythonSettings.model_validate(settings))


def test_false_drops_an_item(module: str) -> None:
    processor = own(function=f"{module}:keep_only_prod")
    assert spans_of(processed(processor, traces({"name": "a"}, resource={"env": "dev"}))) == []
    assert len(spans_of(processed(processor, traces({"name": "a"}, resource={"env": "prod"})))) == 1


def test_a_class_is_made_with_its_arguments(module: str) -> None:
    processor = own(function=f"{module}:Rename", arguments={"prefix": "x-"})
    assert [span.name for span in spans_of(processed(processor, traces({"name": "a"})))] == ["x-a"]


def test_what_raises_keeps_the_item_and_is_told(module: str, caplog: pytest.LogCaptureFixture) -> None:
    processor = own(function=f"{module}:broken")
    assert len(spans_of(processed(processor, traces({"name": "a"}, {"name": "b"})))) == 2
    assert (processor.failed, len(caplog.records)) == (2, 2)


def test_what_raises_may_refuse_the_request_without_its_text(module: str) -> None:
    chain = Chain([own(function=f"{module}:broken", error_mode="propagate")])
    with pytest.raises(PayloadError, match="broken failed: ZeroDivisionError") as raised:
        chain.apply(Signal.TRACES, Encoding.PROTOBUF, traces({"name": "a"}).SerializeToString())
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("nothing", None, "has no nothing"),
        ("number", None, "expected a function, found int"),
        ("Rename", None, "is a class: give its arguments"),
        ("Rename", {"suffix": 1}, "unexpected keyword argument"),
    ],
)
def test_a_function_that_cannot_be_had_is_a_mistake(module: str, name: str, arguments: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        own(function=f"{module}:{name}", arguments=arguments)


def test_a_module_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no module nowhere_to_be_found"):
        own(function="nowhere_to_be_found:f", path=str(tmp_path))


def chain() -> Chain:
    drop = FilterSettings.model_validate({"traces": {"span": ['name == "ping"']}})
    hide = AttributesSettings.model_validate({"actions": [{"key": "secret", "action": "delete"}]})
    return Chain([FilterProcessor(drop), AttributesProcessor(hide)])


def test_a_chain_leaves_protobuf_for_json_with_hexadecimal_ids() -> None:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "startTimeUnixNano": "1772359200000000000",
        "attributes": [{"key": "secret", "value": {"stringValue": "x"}}, {"key": "n", "value": {"intValue": "3"}}],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, {"name": "ping"}]}]}]}).encode()
    left = chain().apply(Signal.TRACES, Encoding.JSON, body)
    assert left is not None
    (found,) = spans_of(ExportTraceServiceRequest.FromString(left))
    assert found.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert (found.name, plain_map(found.attributes)) == ("chat", {"n": 3})


def test_a_chain_that_leaves_nothing_says_so() -> None:
    assert chain().apply(Signal.TRACES, Encoding.PROTOBUF, traces({"name": "ping"}).SerializeToString()) is None


def test_a_text_cut_through_a_character_does_not_refuse_the_request() -> None:
    request = traces({"name": "a", "attributes": {"note": "caf\u00e9"}})
    body = request.SerializeToString().replace("caf\u00e9".encode(), b"cafe\xc3")
    left = chain().apply(Signal.TRACES, Encoding.PROTOBUF, body)
    assert left is not None
    (span,) = spans_of(ExportTraceServiceRequest.FromString(left))
    assert plain_map(span.attributes) == {"note": "cafe\ufffd"}


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05ab"])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError, match="truncated protobuf"):
        chain().apply(Signal.TRACES, Encoding.PROTOBUF, body)
