"""Each stage alone, in this process, on the output of the stage before it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.payloads import Mix
from spanledger.exporters.clickhouse.batch import prepare
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.messages import as_json
from spanledger.mapping import KEYS, Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.received import Encoding, Signal
from spanledger.model.records import Record
from spanledger.receiver.wire import DEFAULT_LIMITS, decode
from spanledger.receiver.wire.protobuf import decode_protobuf

try:
    from spanledger.exporters.clickhouse.native import block as write_block
except ImportError:

    def write_block(names: Sequence[str], types: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
        given = [get_from_name(name) for name in types]
        return b"".join(NativeTransform.build_insert(InsertContext("t", names, given, columns, column_oriented=True)))


PRICES = PriceList()


def parse(bodies: list[bytes]) -> None:
    """protobuf's own C parser, without a look at the result."""
    for body in bodies:
        ExportTraceServiceRequest.FromString(body)


def walk(bodies: list[bytes]) -> None:
    """The messages of opentelemetry-proto, walked in Python: what `decode` is compared with."""
    for body in bodies:
        decode_protobuf(Signal.TRACES, body, KEYS, DEFAULT_LIMITS)


def decode_all(bodies: list[bytes]) -> None:
    """As a receiver does: what a request held is gone before the next one comes."""
    for body in bodies:
        decode(Signal.TRACES, Encoding.PROTOBUF, body, KEYS)


def decode_json(bodies: list[bytes]) -> None:
    """The same requests in OTLP/JSON."""
    for body in bodies:
        decode(Signal.TRACES, Encoding.JSON, body, KEYS)


def decoded(bodies: list[bytes]) -> list[Any]:
    return [decode(Signal.TRACES, Encoding.PROTOBUF, body, KEYS).items for body in bodies]


def mapped(requests: list[Any]) -> list[list[Record]]:
    mapper = Mapper(PRICES)
    return [mapper.add("default", items, number + 1) for number, items in enumerate(requests)]


def encoded(batches: list[list[Record]]) -> int:
    """Rows of ClickHouse's Native format, as they would be sent."""
    size = 0
    for records in batches:
        inserts, _ = prepare(records, "benchmark")
        for insert in inserts:
            names, types = insert_columns(insert.table)
            size += len(write_block(names, types, insert.columns))
    return size


def stages(mix: Mix) -> dict[str, Callable[[], object]]:
    """Name → the work of that stage for all requests of a mix."""
    requests = decoded(mix.bodies)
    return {
        "parse": partial(parse, mix.bodies),
        "walk": partial(walk, mix.bodies),
        "decode": partial(decode_all, mix.bodies),
        "json": partial(decode_json, [as_json(Signal.TRACES, body) for body in mix.bodies]),
        "map": partial(mapped, requests),
        "encode": partial(encoded, mapped(requests)),
    }


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process for doing it once."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began
