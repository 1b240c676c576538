"""Decoded telemetry, as the receivers hand it to the mapping: spans, log records, metric points.

A `Span` has one attribute per fact that the mapping knows (its *slots*, see `spanledger.model.keys`), so that
the mapping reads `span.request_model` instead of walking a list of key-value pairs; everything that no slot took
stands in `rest`. Ids are lower-case hex strings, times are integer nanoseconds since the Unix epoch (0 = not given),
as in opentelemetry-proto `trace/v1/trace.proto` and `logs/v1/logs.proto`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Value: TypeAlias = Any
"""A decoded OTLP AnyValue: None, str, bool, int, float, bytes, list[Value] or dict[str, Value]."""

SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2


class Resource:
    """What produced a group of spans: the attributes of its OTLP Resource."""

    __slots__ = ("attributes",)

    def __init__(self, attributes: dict[str, Value] | None = None) -> None:
        self.attributes: dict[str, Value] = attributes if attributes is not None else {}


class Scope:
    """Instrumentation scope: the library that wrote the spans."""

    __slots__ = ("attributes", "name", "version")

    def __init__(self, name: str = "", version: str = "", attributes: dict[str, Value] | None = None) -> None:
        self.name = name
        self.version = version
        self.attributes: dict[str, Value] = attributes if attributes is not None else {}


class Event:
    """A span event."""

    __slots__ = ("attributes", "name", "time_ns")

    def __init__(self, name: str, time_ns: int = 0, attributes: dict[str, Value] | None = None) -> None:
        self.name = name
        self.time_ns = time_ns
        self.attributes: dict[str, Value] = attributes if attributes is not None else {}


class Link:
    """A span link."""

    __slots__ = ("attributes", "span_id", "trace_id")

    def __init__(self, trace_id: str, span_id: str, attributes: dict[str, Value] | None = None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.attributes: dict[str, Value] = attributes if attributes is not None else {}


class Span:
    """The fields of an OTLP span that are no attributes. The mapping's span type adds one slot per fact.

    A decoder makes one with `table.span_type()`: every slot then holds None, every field below its default.
    """

    __slots__ = (
        "dropped_attributes",
        "end_ns",
        "events",
        "kind",
        "links",
        "name",
        "parent_span_id",
        "repairs",
        "resource",
        "rest",
        "scope",
        "size",
        "span_id",
        "start_ns",
        "status_code",
        "status_message",
        "trace_id",
        "trace_state",
    )

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    trace_state: str
    dropped_attributes: int
    events: list[Event]
    links: list[Link]
    resource: Resource
    scope: Scope
    rest: dict[str, Value]
    """Attributes that no slot took, under their own keys."""
    repairs: list[str]
    """What the decoder had to mend, e.g. `invalid_utf8:gen_ai.prompt`; becomes `warnings` of the run."""
    size: int
    """Rough bytes of memory that its values take, what is read out of JSON texts included; 0 where the decoder did not
    measure it."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = ""
        self.parent_span_id = None
        self.name = self.status_message = self.trace_state = ""
        self.kind = self.start_ns = self.end_ns = self.status_code = self.dropped_attributes = self.size = 0
        self.events = []
        self.links = []
        self.resource = _NO_RESOURCE
        self.scope = _NO_SCOPE
        self.rest = {}
        self.repairs = []


class LogRecord:
    """An OTLP log record. `event_name` is the field of that name (OTLP 1.5 and newer), else ''."""

    __slots__ = (
        "attributes",
        "body",
        "event_name",
        "observed_ns",
        "repairs",
        "resource",
        "scope",
        "severity_number",
        "severity_text",
        "span_id",
        "time_ns",
        "trace_id",
    )

    def __init__(self) -> None:
        self.trace_id = ""
        self.span_id = ""
        self.time_ns = 0
        self.observed_ns = 0
        self.severity_number = 0
        self.severity_text = ""
        self.event_name = ""
        self.body: Value = None
        self.attributes: dict[str, Value] = {}
        self.resource = _NO_RESOURCE
        self.scope = _NO_SCOPE
        self.repairs: list[str] = []


class MetricPoint:
    """One data point of an OTLP metric.

    `kind` is `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`. `value` is set for gauges and sums;
    `count`, `total` (the sum), `minimum`, `maximum`, `bounds`, `buckets` for histograms.
    """

    __slots__ = (
        "attributes",
        "bounds",
        "buckets",
        "count",
        "description",
        "kind",
        "maximum",
        "minimum",
        "name",
        "resource",
        "scope",
        "start_ns",
        "temporality",
        "time_ns",
        "total",
        "unit",
        "value",
    )

    def __init__(self) -> None:
        self.name = self.unit = self.description = self.kind = ""
        self.temporality = 0
        self.start_ns = 0
        self.time_ns = 0
        self.value: int | float | None = None
        self.count: int | None = None
        self.total: float | None = None
        self.minimum: float | None = None
        self.maximum: float | None = None
        self.bounds: list[float] = []
        self.buckets: list[int] = []
        self.attributes: dict[str, Value] = {}
        self.resource = _NO_RESOURCE
        self.scope = _NO_SCOPE


_NO_RESOURCE: Final = Resource()
_NO_SCOPE: Final = Scope()
