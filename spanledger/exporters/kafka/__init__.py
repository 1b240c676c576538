"""Exporter `kafka`: telemetry as it came, as messages of a topic for each signal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from spanledger.clients.kafka import load
from spanledger.errors import StoreUnavailable
from spanledger.exporters.base import WRITTEN, Rejection, WriteResult
from spanledger.exporters.kafka.messages import Message, messages_of
from spanledger.exporters.kafka.settings import KafkaExporterSettings
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry

__all__ = ["KafkaExporter", "KafkaExporterSettings"]

_OVERHEAD: Final = 65_536
"""Bytes that headers, key and framing may add to a message before the client itself calls it too large."""
_ACKS: Final = {"none": 0, "leader": 1, "all": "all"}


class KafkaExporter(RawExporter):
    """One producer. With `required_acks: all` it is idempotent: what the client itself sends again is there once."""

    concurrency = 1

    def __init__(self, settings: KafkaExporterSettings, signal: Signal) -> None:
        self.name = f"kafka {settings.topic_of(signal)}"
        self._settings = settings
        self._signal = signal
        self._topic = settings.topic_of(signal)
        self._headers = [(name, value.encode()) for name, value in settings.record_headers.items()]
        self._producer: Any = None

    async def start(self) -> None:
        """Connect. Raises `ConfigError` without aiokafka and for certificates that cannot be read, `StoreUnavailable`
        when no broker answers."""
        if self._producer is not None:
            return
        aiokafka = load()
        producer = self._settings.producer
        acks = _ACKS[producer.required_acks]
        made = aiokafka.AIOKafkaProducer(
            **self._settings.options(),
            acks=acks,
            enable_idempotence=acks == "all",
            compression_type=None if producer.compression == "none" else producer.compression,
            max_request_size=producer.max_message_bytes + _OVERHEAD,
            linger_ms=round(producer.linger * 1000),
            request_timeout_ms=round(self._settings.timeout * 1000),
        )
        try:
            await made.start()
        except (aiokafka.errors.KafkaError, OSError, TimeoutError) as error:
            await self._let_go(made)
            raise StoreUnavailable(f"kafka: {_text(error)}") from error
        except BaseException:
            await self._let_go(made)
            raise
        self._producer = made

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Write every body, in one message or several, and wait for the brokers' word."""
        try:
            await self.start()
        except StoreUnavailable as error:
            return WriteResult(retry=str(error))
        pending: list[tuple[int, asyncio.Future[Any]]] = []
        rejected: list[Rejection] = []
        kafka = load().errors
        try:
            for place, telemetry in enumerate(batch):
                try:
                    messages = messages_of(telemetry, self._settings)
                except ValueError as error:
                    rejected.append(Rejection(place, str(error)))
                    continue
                pending += [(place, await self._send(message)) for message in messages]
            await asyncio.wait_for(self._producer.flush(), self._settings.timeout)
        except (kafka.KafkaError, OSError, TimeoutError) as error:
            await self._forget()
            return WriteResult(retry=_text(error))
        failures = {place: failure for place, sent in pending if (failure := sent.exception()) is not None}
        too_large = (kafka.MessageSizeTooLargeError, kafka.RecordTooLargeError, kafka.RecordListTooLargeError)
        if any(isinstance(failure, too_large) for failure in failures.values()):
            stored = [place for place in range(len(batch)) if place not in failures]
            return WriteResult(refused=_text(next(iter(failures.values()))), stored=_without(stored, rejected))
        if failures:
            await self._forget()
            stored = [place for place in range(len(batch)) if place not in failures]
            return WriteResult(retry=_text(next(iter(failures.values()))), stored=_without(stored, rejected))
        return WriteResult(rejected=rejected) if rejected else WRITTEN

    async def close(self) -> None:
        """Close the connections."""
        await self._forget()

    async def _send(self, message: Message) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self._producer.send(
            self._topic, value=message.value, key=message.key, headers=self._headers
        )
        return sent

    async def _forget(self) -> None:
        """The next attempt begins with a producer of its own: one whose sequence was broken never writes again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._let_go(producer)

    async def _let_go(self, producer: Any) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(producer.stop(), self._settings.timeout)


def _without(places: Sequence[int], rejected: Sequence[Rejection]) -> list[int]:
    gone = {one.index for one in rejected}
    return [place for place in places if place not in gone]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
