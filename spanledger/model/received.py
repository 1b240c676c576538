"""What a receiver hands to the pipeline: one request body, already decoded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from spanledger.model.client_event import ClientEvent
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.span import LogRecord, MetricPoint, Span


class Signal(StrEnum):
    """What kind of items a body holds."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class Encoding(StrEnum):
    """How a body is encoded."""

    PROTOBUF = "protobuf"
    JSON = "json"
    LUNARY = "lunary"
    """Events of Lunary's ingest, of the signal traces."""
    GATEWAY = "gateway"
    """Documents of a gateway's request log, of the signal traces."""


OTLP_ENCODINGS: Final = frozenset({Encoding.PROTOBUF, Encoding.JSON})


Item: TypeAlias = Span | LogRecord | MetricPoint | ClientEvent


@dataclass(slots=True)
class Decoded:
    """The items of a body, and one text for each item that was refused (which one, and why)."""

    items: Sequence[Item]
    rejected: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Received:
    """A request that passed authentication and decoding. `body` is uncompressed, as the sender encoded it."""

    project_id: str
    signal: Signal
    encoding: Encoding
    body: bytes
    items: Sequence[Item]
    received_ns: int
    """Nanoseconds since the Unix epoch, by the receiver's clock."""
    receiver: str = ""
    """Id of the receiver that took it in; empty for what no receiver of a pipeline took in."""
    road: str = ""
    """Where pipelines fork: ids of those in whose exporters this ends, separated by commas. Empty: in all of them."""
    context: RequestContext = NO_CONTEXT
    """Of the request, for processors; it ends with them."""
    kept: str = ""
    """What of the context goes into the log with it, for exporters: a text of `RequestContext.kept`."""


class Decode(Protocol):
    """Decodes a whole body. Raises `PayloadError` when it is not one; refuses single bad items in `rejected`.
    Deterministic: the same bytes give the same items and the same rejections, so a body can be decoded again
    after a restart."""

    def __call__(self, signal: Signal, encoding: Encoding, body: bytes) -> Decoded: ...


class Intake(Protocol):
    """Where receivers put what they accepted."""

    def check_room(self, size: int | None) -> None:
        """Raise `Overloaded` when a request of so many bytes (None: nobody knows yet) would be refused now. Asked
        before its body is read, so that what cannot be kept costs nothing; what passes may be refused by `accept` all
        the same."""

    async def accept(self, received: Received) -> int | None:
        """Return once the request is safe: the sender gets its answer after this and never before. The place that it
        got in the log, None where nothing of it was kept. Raises `Overloaded` when there is no room. May be called
        many times at once."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A request body as it goes on unchanged, uncompressed, always in protobuf."""

    project_id: str
    signal: Signal
    body: bytes
    context: str = ""
    """What of its sender's request goes on with it, as its exporter asked for it (`Credentials.needed`)."""


class Backlog(Protocol):
    """What receivers that fetch need to know and do besides taking in."""

    @property
    def delivered(self) -> int:
        """Place in the log up to which everything is written by every exporter, or dead."""

    async def bury(
        self, source: str, project_id: str, signal: Signal, encoding: Encoding, body: bytes, reason: str, *, name: str
    ) -> None:
        """Keep a body that can never be read, with the reason, among the dead letters; return once it is there. The
        same `name` of the same source is kept once."""
