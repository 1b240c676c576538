"""`spanledger queue replay --dead`: what could not be delivered, once more."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from spanledger.clients.auth import ClientAuthSettings, Credentials
from spanledger.commands.queue_list import letters, progress
from spanledger.config import ComponentId, Config, Kind
from spanledger.config.ids import parse_id
from spanledger.config.pipeline import pipeline_settings, signals_of_exporter
from spanledger.config.registry import COMPONENTS
from spanledger.config.rules import additional_auth, used
from spanledger.config.ways import roads_of
from spanledger.errors import ConfigError, LogError, Overloaded, PayloadError
from spanledger.exporters.base import Exporter
from spanledger.exporters.raw import RawExporter
from spanledger.exporters.select import Select
from spanledger.forks import forks_of
from spanledger.mapping import KEYS, Mapper
from spanledger.model.context import narrowed
from spanledger.model.received import Encoding, Intake, Received, Signal, Telemetry
from spanledger.model.records import Record
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.batch import RECORDS, newest_versions, token_of
from spanledger.pipeline.dead_letters import (
    DeadLetter,
    LetterFilter,
    LetterKind,
    StoredLetter,
    describe,
    item_of,
    record_key,
    record_of,
)
from spanledger.pipeline.deletions import erase_deleted
from spanledger.pipeline.letter_box import LetterBox
from spanledger.processors.intake import ProcessingIntake
from spanledger.service import decode_body, event_loop, parse_protobuf, to_protobuf

_PAGE: Final = 500
"""Letters that are delivered, and leave the box, together."""
_Way: TypeAlias = Callable[[Sequence[StoredLetter]], Awaitable[list[int]]]
"""Delivers letters; the ids of those that are stored."""
T = TypeVar("T")

_RUN_KINDS: Final = frozenset({"run", "score", "thread"})


@dataclass(slots=True)
class Outcome:
    """What became of the letters."""

    delivered: int = 0
    failed: int = 0
    """Rejected again; they stay."""
    skipped: int = 0
    """Nothing that could be delivered; they stay."""
    reasons: Counter[str] = field(default_factory=Counter)

    def fail(self, reason: str) -> None:
        """Note a letter that failed again."""
        self.failed += 1
        self.reasons[reason] += 1

    def skip(self, reason: str) -> None:
        """Note a letter that is left alone."""
        self.skipped += 1
        self.reasons[reason] += 1


def replay_letters(
    config: Config, directories: Sequence[Path], wanted: LetterFilter, to: Sequence[str] = ()
) -> Outcome:
    """Deliver letters; those that are stored leave the dead letters. `to`: pipelines for bodies whose own are gone.
    Raises `StoreError`, `LogError`."""
    outcome = Outcome()
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        for directory in directories:
            runner.run(_replay(config, directory, wanted, to, outcome))
    return outcome


async def _replay(config: Config, directory: Path, wanted: LetterFilter, to: Sequence[str], outcome: Outcome) -> None:
    found = list(letters(directory, wanted))
    box = LetterBox(directory, 0, owner=False)
    async with AsyncExitStack() as stack:
        stack.callback(box.close)
        post = _Post(config, directory, to, stack, outcome)
        pages = [found[first : first + _PAGE] for first in range(0, len(found), _PAGE)]
        with progress(pages, "delivering") as shown:
            for page in shown:
                for kind, deliver in post.ways.items():
                    some = [stored for stored in page if stored.letter.kind is kind]
                    if done := await deliver(some):
                        box.remove(done)
                        outcome.delivered += len(done)


class _Post:
    """The ways on which letters reach their destination; exporters and log are opened when they are needed first."""

    def __init__(
        self, config: Config, directory: Path, to: Sequence[str], stack: AsyncExitStack, outcome: Outcome
    ) -> None:
        self._config = config
        self._directory = directory
        self._to = to
        self._stack = stack
        self._outcome = outcome
        self._exporters: dict[str, Exporter] = {}
        self._raw: dict[str, RawExporter] = {}
        self._log: DurableLog | None = None
        self._intake: ProcessingIntake | None = None
        self._ids = {str(id_): id_ for id_ in used(config, Kind.EXPORTERS)}
        self._roads = roads_of(config, COMPONENTS)
        self._receivers = {str(id_) for id_ in used(config, Kind.RECEIVERS)}
        exporters = config.components[Kind.EXPORTERS]
        self._stores = [
            name
            for name, id_ in self._ids.items()
            if not COMPONENTS[Kind.EXPORTERS][id_.type].passes_on(exporters[id_])
        ]
        self.ways: dict[LetterKind, _Way] = {
            LetterKind.RECORD: self._records,
            LetterKind.ITEM: self._items,
            LetterKind.ENTRY: self._entries,
        }

    async def _records(self, some: Sequence[StoredLetter]) -> list[int]:
        by_source: dict[str, list[tuple[StoredLetter, Record]]] = {}
        for stored in some:
            source = stored.letter.source
            if source not in self._ids:
                self._outcome.skip(f"the configuration has no exporter {source}")
            elif (record := self._read(record_of, stored.letter)) is not None:
                by_source.setdefault(source, []).append((stored, record))
        done: list[int] = []
        for source, pairs in by_source.items():
            exporter = await self._exporter(source)
            refused = await self._write(exporter, [record for _, record in pairs])
            await self._erase_deleted(exporter, [(record, stored.at_ns) for stored, record in pairs])
            for stored, record in pairs:
                reason = refused.get(record_key(record))
                if reason is None:
                    done.append(stored.id)
                else:
                    self._outcome.fail(reason)
        return done

    async def _items(self, some: Sequence[StoredLetter]) -> list[int]:
        done: list[int] = []
        mapping = self._config.mapping
        for stored in some:
            item = self._read(partial(item_of, new_span=KEYS.span_type), stored.letter)
            road = self._road(stored.letter)
            if item is None or road is None:
                continue
            mapper = Mapper(mapping.price_list(), mapping.limits(), mapping.capture())
            try:
                records = mapper.add(stored.letter.project_id, [item], time.time_ns())
            except Exception as error:
                self._outcome.fail(describe(error))
                continue
            refused: dict[tuple[str, str, str], str] = {}
            for name in self._stores:
                if not self._roads[self._ids[name]].take(road):
                    continue
                exporter = await self._exporter(name)
                refused |= await self._write(exporter, records)
                await self._erase_deleted(exporter, [(record, stored.at_ns) for record in records])
            if refused:
                self._outcome.fail(next(iter(refused.values())))
            else:
                done.append(stored.id)
        return done

    async def _entries(self, some: Sequence[StoredLetter]) -> list[int]:
        done: list[int] = []
        for stored in some:
            letter = stored.letter
            signal, encoding = letter.body_type
            if letter.source.rpartition(":")[0] in self._ids:
                if await self._passed_on(letter):
                    done.append(stored.id)
                continue
            if letter.source not in ("mapping", "pipelines") and letter.source not in self._receivers:
                self._outcome.skip(f"damaged on disk: {letter.reason}")
                continue
            try:
                kinds = Signal(signal), Encoding(encoding)
                items = decode_body(*kinds, letter.content).items
            except Exception as error:
                self._outcome.fail(describe(error))
                continue
            road = self._road(letter)
            if road is None:
                continue
            received = Received(letter.project_id, *kinds, letter.content, items, time.time_ns(), road=road)
            received.kept = letter.context
            try:
                await self._into_log(received, letter.source)
            except Overloaded as error:
                raise LogError(str(error)) from error
            except PayloadError as error:  # a processor gave it up
                self._outcome.fail(describe(error))
                continue
            done.append(stored.id)
        return done

    async def _into_log(self, received: Received, source: str) -> None:
        """What never came further than its receiver goes through the processors of its pipelines first."""
        log = await self._opened_log()
        if source not in self._receivers:
            await log.append(received)
            return
        if self._intake is None:
            forks = forks_of(self._config, COMPONENTS)
            self._intake = ProcessingIntake(_LogAlone(log), forks, decode_body)
            self._stack.callback(self._intake.close)
        received.receiver = source
        await self._intake.accept(received)

    def _road(self, letter: DeadLetter) -> str | None:
        """Where a body goes on: the pipelines that it was processed for, as far as they are there again, and no other
        ones but those that the user names. Without any it stays. Empty for one that was meant for all."""
        if not letter.road:
            return ""
        there = {str(id_) for id_ in self._config.pipelines}
        ends = [name for name in letter.road.split(",") if name in there] or self._to
        if not ends:
            self._outcome.skip(f"the configuration has no pipeline {letter.road}; --to names another")
            return None
        return ",".join(ends)

    async def _passed_on(self, letter: DeadLetter) -> bool:
        """Give a body to the exporter that could not pass it on; whether it could now."""
        kinds = letter.body_type
        try:
            signal, encoding = Signal(kinds[0]), Encoding(kinds[1])
            body = to_protobuf(signal, encoding, letter.content)
            exporter = await self._raw_exporter(letter.source, signal)
            context = narrowed(letter.context, exporter.credentials.context_keys)
            result = await exporter.write([Telemetry(letter.project_id, signal, body, context)], "")
        except Exception as error:
            self._outcome.fail(describe(error))
            return False
        reason = result.retry or result.refused or next((one.reason for one in result.rejected), None)
        if reason is not None:
            self._outcome.fail(reason)
        return reason is None

    def _read(self, read: Callable[[DeadLetter], T], letter: DeadLetter) -> T | None:
        try:
            return read(letter)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            self._outcome.skip(f"cannot be read back: {describe(error)}")
            return None

    async def _write(self, exporter: Exporter, records: Iterable[Record]) -> dict[tuple[str, str, str], str]:
        """`record_key` → why it was not stored."""
        batch = newest_versions(list(records))
        if not batch:
            return {}
        try:
            result = await exporter.write(batch, token_of(batch))
        except Exception as error:
            return {record_key(record): describe(error) for record in batch}
        if result.retry is not None:
            return {record_key(record): result.retry for record in batch}
        return {record_key(batch[one.index]): one.reason for one in result.rejected}

    async def _erase_deleted(self, exporter: Exporter, records: Sequence[tuple[Record, int]]) -> None:
        """What was deleted since it became a letter does not come back. Raises `StoreError`."""
        if not records:
            return
        notes = await exporter.deleted(min(at_ns for _, at_ns in records))
        await erase_deleted(exporter, RECORDS, records, notes)

    async def _exporter(self, name: str) -> Exporter:
        if name not in self._exporters:
            exporter = _new_exporter(self._config, self._ids[name])
            await exporter.start()
            self._stack.push_async_callback(exporter.close)
            self._exporters[name] = exporter
        return self._exporters[name]

    async def _raw_exporter(self, source: str, signal: Signal) -> RawExporter:
        if source not in self._raw:
            id_ = self._ids[source.rpartition(":")[0]]
            component, settings = COMPONENTS[Kind.EXPORTERS][id_.type], self._config.components[Kind.EXPORTERS][id_]
            if component.passes_on(settings):
                exporter: RawExporter = component.raw_factory(settings)(signal)
            elif (also := component.also_raw(settings)) is not None:
                exporter = also(settings, parse_protobuf, signal)
            else:
                raise ConfigError(f"{id_} keeps no telemetry as it came; otel_tables is off")
            auth = getattr(settings, "auth", None)
            if isinstance(auth, ClientAuthSettings):
                exporter.credentials = await self._credentials(auth.authenticator)
            await exporter.start()
            self._stack.push_async_callback(exporter.close)
            self._raw[source] = exporter
        return self._raw[source]

    async def _credentials(self, name: str) -> Credentials:
        id_ = parse_id(name)
        settings = self._config.components[Kind.EXTENSIONS][id_]
        extension = COMPONENTS[Kind.EXTENSIONS][id_.type].factory(settings, name)
        if (before := additional_auth(settings)) is not None:
            extension.follow(await self._credentials(before))
        await extension.start()
        self._stack.push_async_callback(extension.stop)
        found: Credentials = extension
        return found

    async def _opened_log(self) -> DurableLog:
        if self._log is None:
            settings: FileStorageSettings = pipeline_settings(self._config).log
            self._log = DurableLog(settings.model_copy(update={"directory": self._directory}))
            await self._log.open()
            self._stack.push_async_callback(self._log.close)
        return self._log


class _LogAlone(Intake):
    """A log that no pipeline reads yet."""

    def __init__(self, log: DurableLog) -> None:
        self._log = log

    def check_room(self, size: int | None) -> None:
        """As the log."""
        self._log.check_room(size)

    async def accept(self, received: Received) -> int:
        """As the log's `append`."""
        return await self._log.append(received)


def _new_exporter(config: Config, id_: ComponentId) -> Exporter:
    exporter: Exporter = COMPONENTS[Kind.EXPORTERS][id_.type].factory(config.components[Kind.EXPORTERS][id_])
    signals = signals_of_exporter(config, id_)
    if Signal.METRICS not in signals:
        return Select(exporter, _RUN_KINDS)
    return exporter if len(signals) > 1 else Select(exporter, frozenset({"metric"}))
