"""Decoders side by side, the compiled and the plain one of protobuf, both ways to read JSON: whatever the bytes, they
must answer the same."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from spanledger.errors import PayloadError
from spanledger.mapping import KEYS
from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Signal
from spanledger.receiver.wire import COMPILED, DEFAULT_LIMITS, Limits, json_messages, otlp_json, protobuf

DecodeProtobuf = Callable[[Signal, bytes, KeyTable, Limits], Decoded]

needs_compiled = pytest.mark.skipif(
    not COMPILED and "SPANLEDGER_REQUIRE_PEERS" not in os.environ, reason="the compiled decoder is not built"
)


def compiled_decoder() -> DecodeProtobuf:
    decoder: DecodeProtobuf = importlib.import_module("spanledger.receiver.wire.compiled").decode_protobuf
    return decoder


def outcome(
    decode: DecodeProtobuf, signal: Signal, body: bytes, table: KeyTable = KEYS, limits: Limits = DEFAULT_LIMITS
) -> str:
    """Everything that a decoder said, as text: True is not 1 in it, 1.0 is not 1, NaN is NaN."""
    try:
        decoded = decode(signal, body, table, limits)
    except PayloadError as error:
        return f"{type(error).__name__}: {error}"
    return repr([decoded.rejected, [_contents(item) for item in decoded.items]])


def assert_same(
    signal: Signal, body: bytes, table: KeyTable = KEYS, limits: Limits = DEFAULT_LIMITS, hint: object = ""
) -> None:
    plain = outcome(protobuf.decode_protobuf, signal, body, table, limits)
    assert outcome(compiled_decoder(), signal, body, table, limits) == plain, hint


def assert_same_json(signal: Signal, body: bytes, hint: object = "") -> None:
    """OTLP/JSON read by structs is what it is when it is read as plain objects."""
    typed = outcome(otlp_json.decode_json, signal, body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_messages, "typed", lambda signal, body: None)
        plain = outcome(otlp_json.decode_json, signal, body)
    assert typed == plain, hint


def _contents(item: Any) -> Any:
    if isinstance(item, list):
        return [_contents(member) for member in item]
    names = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ()) if name != "size"]
    if not names:
        return item
    held = {name: _contents(getattr(item, name)) for name in sorted(names)}
    return type(item).__name__, held, sorted(getattr(item, "__dict__", {}).items())
