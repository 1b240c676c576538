"""Spoils values of recorded attributes and maps what comes of it: `python tests/fuzz/mappings.py SEED COUNT`.

Prints a line for each: its records, or what was raised. Called twice, once with SPANLEDGER_PLAIN_MAPPING set, it tells
whether the compiled mapping is as forgiving as its sources: compiled code raises where a value is of another type than
is declared.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from spanledger.mapping import KEYS, Mapper
from spanledger.model.received import Encoding, Item, Signal
from spanledger.model.records import to_dict
from spanledger.receiver.wire import decode

_LONGEST = 60_000
"""Bytes of a body that is used."""
_OTHERS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63 - 1, 1.5, -0.0, 1e300, "", "x", "0", "12", "null", "[]", "{}", "é", "\u2028",
    [], [None], ["a", 1], [[]], [{}], {}, {"a": None}, {"type": 1}, {"role": None}, {"type": "text"}, {"content": [1]},
)  # fmt: skip
Request = ExportTraceServiceRequest | ExportLogsServiceRequest


def main(seed: int, count: int) -> None:
    recorded = sorted((Path(__file__).parents[1] / "corpus").glob("*/*.pb"))
    files = [file for file in recorded if len(file.read_bytes()) <= _LONGEST and not file.name.startswith("metrics")]
    for number in range(seed, seed + count):
        generator = random.Random(number)
        file = generator.choice(files)
        signal = Signal.LOGS if file.name.startswith("logs") else Signal.TRACES
        request = (ExportLogsServiceRequest if signal is Signal.LOGS else ExportTraceServiceRequest)()
        request.ParseFromString(file.read_bytes())
        values = list(_values(request))
        for _ in range(generator.randint(1, 6)):
            _spoil(generator.choice(values), generator)
        decoded = decode(signal, Encoding.PROTOBUF, request.SerializeToString(), KEYS)
        mapper = Mapper()
        try:
            records = [record for items in _parts(decoded.items, generator) for record in mapper.add("p", items)]
            told = json.dumps([to_dict(record) for record in records], default=str)
            outcome = hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:16]
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome = f"{type(error).__name__}: {error} in {where.name}, {Path(where.filename).name}:{where.lineno}"
        print(number, f"{file.parent.name}/{file.name}", outcome)


def _parts(items: Sequence[Item], generator: random.Random) -> Iterator[Sequence[Item]]:
    """The items in any order, in one or several requests."""
    shuffled = generator.sample(items, len(items))
    size = generator.choice((1, 3, 1000))
    for first in range(0, len(shuffled), size):
        yield shuffled[first : first + size]


def _values(request: Request) -> Iterator[AnyValue]:
    """Everything that an application or its SDK wrote."""
    if isinstance(request, ExportTraceServiceRequest):
        for spans in request.resource_spans:
            yield from _of(spans.resource.attributes)
            for span in (span for scope in spans.scope_spans for span in scope.spans):
                yield from _of(span.attributes)
                for event in span.events:
                    yield from _of(event.attributes)
        return
    for logs in request.resource_logs:
        yield from _of(logs.resource.attributes)
        for log in (log for scope in logs.scope_logs for log in scope.log_records):
            yield from _of(log.attributes)
            yield log.body


def _of(attributes: Any) -> Iterator[AnyValue]:
    for one in attributes:
        yield one.value


def _spoil(value: AnyValue, generator: random.Random) -> None:
    """Another value, or a text of JSON with something in it changed."""
    plain = _plain(value)
    if isinstance(plain, str) and plain[:1] in ("{", "[") and generator.random() < 0.8:
        with contextlib.suppress(ValueError):
            value.CopyFrom(AnyValue(string_value=json.dumps(_changed(json.loads(plain), generator))))
            return
    value.CopyFrom(_any(_changed(plain, generator)))


def _changed(value: Any, generator: random.Random) -> Any:
    """The value with one thing in it changed: another type, left out, twice, wrapped, or under another name."""
    if isinstance(value, dict) and value and generator.random() < 0.85:
        key = generator.choice(list(value))
        match generator.randrange(8):
            case 0:
                return {name: held for name, held in value.items() if name != key}
            case 1:
                return {(generator.choice(list(value)) if name == key else name): held for name, held in value.items()}
            case _:
                return {**value, key: _changed(value[key], generator)}
    if isinstance(value, list) and value and generator.random() < 0.85:
        at = generator.randrange(len(value))
        match generator.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value[:at], value[at], *value[at:]]
            case _:
                return [*value[:at], _changed(value[at], generator), *value[at + 1 :]]
    match generator.randrange(6):
        case 0:
            return [value]
        case 1:
            return {"text": value}
        case 2:
            return json.dumps(value, default=str)
        case 3:
            return str(value)
        case _:
            return generator.choice(_OTHERS)


def _plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(one) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key: _plain(one.value) for one in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def _any(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_any(one) for one in value]))
        case dict():
            fields = [KeyValue(key=str(key), value=_any(one)) for key, one in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=fields))
        case _:
            return AnyValue(string_value=str(value))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
