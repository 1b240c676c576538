"""What the exporters `otlp` and `otlphttp` have in common: one request for all bodies that may share one, credentials,
certificates that change, answers of success that refuse items."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from multidict import CIMultiDict

from spanledger.clients.tls import ReloadedTlsSettings
from spanledger.errors import ConfigError, CredentialsUnavailable, PayloadError
from spanledger.exporters.base import WRITTEN, WriteResult
from spanledger.exporters.messages import merged, refused_items
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry
from spanledger.settings import Secret

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 8
"""Requests of one batch under way, where it holds several contexts."""

Connection = TypeVar("Connection")


class OtlpClient(RawExporter, Generic[Connection]):
    """Passes bodies on, over a connection that is another when the certificates are."""

    concurrency = 4

    def __init__(self, name: str, signal: Signal, headers: dict[str, Secret], tls: ReloadedTlsSettings) -> None:
        self.name = name
        self.refused = 0
        """Items that the destination said it refused, in answers that were a success otherwise."""
        self._signal = signal
        self._connection: Connection | None = None
        self._own_headers = {header: value.get_secret_value() for header, value in sorted(headers.items())}
        self._certificates = tls.watched()

    async def start(self) -> None:
        """Make the connection, which dials when there is something to send, and again whenever it must. Raises
        `ConfigError` for certificates that cannot be read."""
        self._connection = self._connect()

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Send the bodies as one request, or one for each context."""
        if self._certificates.changed():
            await self._renew()
        places: dict[str, list[int]] = {}
        for place, one in enumerate(batch):
            places.setdefault(one.context, []).append(place)
        if len(places) == 1:
            (context,) = places
            return await self._request(batch, context)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def request(context: str, own: Sequence[int]) -> WriteResult:
            async with slots:
                return await self._request([batch[place] for place in own], context)

        answers = await asyncio.gather(*(request(context, own) for context, own in places.items()))
        return _together(list(zip(places.values(), answers, strict=True)))

    @abstractmethod
    def _connect(self) -> Connection:
        """A connection with the certificates as they are. Raises `ConfigError`."""

    @abstractmethod
    async def _let_go(self, connection: Connection) -> None:
        """End a connection that another one follows, with its last request. Does not wait for that."""

    @abstractmethod
    async def _send(self, body: bytes, headers: CIMultiDict[str]) -> WriteResult:
        """Send one request; `headers` are those of the settings and the credentials."""

    async def _request(self, batch: Sequence[Telemetry], context: str) -> WriteResult:
        headers = CIMultiDict(self._own_headers)
        try:
            await self.credentials.put(headers, context)
        except CredentialsUnavailable as error:
            return WriteResult(retry=str(error))
        except PayloadError as error:
            return WriteResult(refused=str(error))
        answer = await self._send(merged(one.body for one in batch), headers)
        if not answer.turned_down:
            return answer
        self.credentials.turned_down()
        if context:
            # A sender chose these headers. If others had to wait until its are put right, whoever may send at all
            # could stop what everyone sends.
            return WriteResult(refused=answer.retry)
        return answer

    def _taken(self, response: bytes, *, json: bool = False) -> WriteResult:
        """The answer to a request that was a success, but for items that the response says were refused."""
        count, why = refused_items(self._signal, response, json=json)
        if count or why:
            self.refused += count
            logger.warning("%s refused %d of the %s of a request: %s", self.name, count, self._signal, why[:300])
        return WRITTEN

    async def _renew(self) -> None:
        before = self._connection
        try:
            await self.start()
        except ConfigError as error:
            logger.error("%s: changed certificates are not used: %s", self.name, error)
            return
        logger.info("%s: certificates are read again", self.name)
        if before is not None:
            await self._let_go(before)


def _together(answers: Sequence[tuple[Sequence[int], WriteResult]]) -> WriteResult:
    """One answer for a batch that went in several requests: what one of them stored does not come again because
    another was not. What is refused comes to be refused once nothing is left to write again."""
    waiting = [answer for _, answer in answers if answer.retry is not None]
    refused = [answer.refused for _, answer in answers if answer.refused is not None]
    if not waiting and not refused:
        return WRITTEN
    stored = [place for own, answer in answers if answer == WRITTEN for place in own]
    if not waiting:
        return WriteResult(refused=refused[0], stored=stored)
    delays = [answer.retry_after for answer in waiting if answer.retry_after is not None]
    return WriteResult(retry=waiting[0].retry, retry_after=max(delays, default=None), stored=stored)
