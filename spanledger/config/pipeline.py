"""What a configuration means for the one road that all its pipelines share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel

from spanledger.config.components import Kind
from spanledger.config.contexts import contexts_without_effect
from spanledger.config.delivery import DeliverySection
from spanledger.config.ids import ComponentId
from spanledger.config.model import Config, PipelineConfig
from spanledger.config.processors import BatchProcessorSettings, MemoryLimiterSettings
from spanledger.config.rules import FILE_STORAGE, used
from spanledger.model.received import Signal
from spanledger.pipeline.settings import (
    BatchSettings,
    DeliverySettings,
    Durability,
    FileStorageSettings,
    MemoryLogSettings,
    PipelineSettings,
)
from spanledger.receiver.admission import DEFAULT_IN_FLIGHT
from spanledger.settings import Settings

_Settings = TypeVar("_Settings", bound=BaseModel)

_START_TIMEOUT: Final = 3.0
"""Seconds that a start waits for stores which do not answer: readiness is promised within five."""
_EMBEDDED_FLUSH: Final = 1.0
_BODIES_SHARE: Final = 8
"""An eighth of the memory limit is for bodies that wait for the mapping: decoded, they take several times as much."""
_RECORDS_SHARE: Final = 2
"""Half of the limit is for mapped records, shared by the exporters, or for the log where it is in memory."""

_RAW_BUFFER: Final = 16 << 20
"""Bytes of bodies that wait to be passed on; more is in the log, where it is read from anyway."""

_TABLES_BATCH: Final = 8 << 20
"""Bytes of bodies in one write to tables: some thousand spans, which is what ClickHouse wants of an insert."""

_IN_FLIGHT_SHARE: Final = 16
"""A sixteenth is for requests on their way in, for each listener; there are two with the default configuration."""


def pipeline_settings(config: Config) -> PipelineSettings:
    """Settings of the whole road."""
    log = next((config.components[Kind.EXTENSIONS][id_] for id_ in config.extensions if id_.type == FILE_STORAGE), None)
    settings = PipelineSettings(start_timeout=_START_TIMEOUT)
    if isinstance(log, FileStorageSettings):
        shared = {
            name: max(getattr(log, name) // config.workers, 1) for name in ("max_bytes", "dead_letters_max_bytes")
        }
        settings = settings.model_copy(update={"log": log.model_copy(update=shared)})
    else:
        settings = settings.model_copy(update={"durability": Durability.MEMORY})
    limit = memory_limit(config)
    if limit is None:
        return settings
    memory = MemoryLogSettings(max_bytes=min(settings.memory.max_bytes, limit // _RECORDS_SHARE))
    bodies = min(settings.handoff_bytes, limit // _BODIES_SHARE)
    return settings.model_copy(update={"handoff_bytes": bodies, "memory": memory})


def delivery_settings(config: Config) -> dict[ComponentId, DeliverySettings]:
    """Settings of the delivery to each exporter."""
    exporters = used(config, Kind.EXPORTERS)
    limit = memory_limit(config)
    found: dict[ComponentId, DeliverySettings] = {}
    for id_, settings in exporters.items():
        section = settings if isinstance(settings, DeliverySection) else DeliverySection()
        delivery = section.settings(_batch_of(config, id_, _own_default(settings)))
        bounds: int | None = getattr(settings, "batch_bytes", None)
        if bounds is not None:
            delivery = _raw_delivery(section, delivery, bounds)
        if limit is not None:
            share = max(limit // _RECORDS_SHARE // len(exporters), 1)
            delivery = delivery.model_copy(update={"buffer_bytes": min(delivery.buffer_bytes, share)})
        found[id_] = delivery
    return found


def tables_delivery(config: Config, exporter: ComponentId) -> DeliverySettings:
    """Settings of the delivery of bodies to the tables of an exporter of records."""
    settings = config.components[Kind.EXPORTERS][exporter]
    section = settings if isinstance(settings, DeliverySection) else DeliverySection()
    return _raw_delivery(section, delivery_settings(config)[exporter], _TABLES_BATCH)


def _raw_delivery(section: DeliverySection, delivery: DeliverySettings, batch_bytes: int) -> DeliverySettings:
    """Of an exporter that passes bodies on: what it sends must fit in what destinations take."""
    batch = delivery.batch
    queue = section.sending_queue.batch
    if queue is None or queue.sizer != "bytes":
        batch = batch.model_copy(update={"max_bytes": min(batch.max_bytes, batch_bytes)})
    return delivery.model_copy(update={"batch": batch, "buffer_bytes": min(delivery.buffer_bytes, _RAW_BUFFER)})


def in_flight_bytes(config: Config) -> int:
    """Bytes of requests that each listener without a bound of its own may hold: a sixteenth of the memory limit or,
    without one, of the memory there is, shared by the workers."""
    limit = memory_limit(config) or available_memory() // config.workers
    return min(limit // _IN_FLIGHT_SHARE, DEFAULT_IN_FLIGHT)


def signals_of_exporter(config: Config, exporter: ComponentId) -> frozenset[Signal]:
    """The signals of the pipelines that lead to an exporter."""
    return frozenset(id_.signal for id_, pipeline in config.pipelines.items() if exporter in pipeline.exporters)


def without_effect(config: Config) -> Iterator[str]:
    """What the configuration asks for and will not happen, one line each."""
    for kind in (Kind.RECEIVERS, Kind.PROCESSORS, Kind.EXPORTERS, Kind.EXTENSIONS):
        for id_, settings in used(config, kind).items():
            yield from _without_effect(settings, f"{kind}::{id_}")
    yield from contexts_without_effect(config)
    yield from _without_effect(config.telemetry, "service::telemetry")
    traces = config.telemetry.traces
    if traces.model_fields_set and not traces.processors:
        yield "service::telemetry::traces has no effect without processors, which say where spans go"


def _without_effect(settings: BaseModel, path: str) -> Iterator[str]:
    """What a section of settings, and those inside it, say of themselves, each key once."""
    told: list[str] = []
    for text in _said(settings, path):
        key = text.partition(" ")[0].rstrip(":")
        if not any(one.startswith((f"{key} ", f"{key}:")) for one in told):
            told.append(text)
    yield from told


def _said(settings: BaseModel, path: str) -> Iterator[str]:
    if isinstance(settings, Settings):
        yield from (f"{path}::{text}" for text in settings.without_effect())
        yield from (f"{path}::{text}" for text in settings.accepted_only())
    for name in type(settings).model_fields:
        inner = getattr(settings, name)
        within = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list | tuple) else (inner,)
        for one in within:
            if isinstance(one, BaseModel):
                yield from _said(one, f"{path}::{name}")


def memory_limit(config: Config) -> int | None:
    """Bytes that the strictest `memory_limiter` in use allows each worker, less its spike; None without one."""
    limits = [_bytes_allowed(settings) for settings in _processors(config, MemoryLimiterSettings, lambda _: True)]
    return min(limits) // config.workers if limits else None


def _bytes_allowed(settings: MemoryLimiterSettings) -> int:
    if settings.limit_mib:
        return (settings.limit_mib - settings.spike_limit_mib) << 20
    share = settings.limit_percentage - settings.spike_limit_percentage
    return available_memory() * share // 100


def available_memory() -> int:
    """Bytes of memory of the machine or, where one is set, the limit of its cgroup (version 2, then 1)."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(physical, int(text))
    return physical


def _own_default(exporter: BaseModel) -> BatchSettings:
    """How batches are cut where the configuration says nothing. An insert into the embedded engine costs some 11 ms of
    CPU however small it is, so these wait a second for more."""
    embedded: str | None = getattr(exporter, "embedded_path", None)
    return BatchSettings() if embedded is None else BatchSettings(flush_timeout=_EMBEDDED_FLUSH)


def _batch_of(config: Config, exporter: ComponentId, otherwise: BatchSettings) -> BatchSettings:
    for settings in _processors(config, BatchProcessorSettings, lambda pipeline: exporter in pipeline.exporters):
        batch = settings.batch()
        if "timeout" not in settings.model_fields_set:
            return batch.model_copy(update={"flush_timeout": otherwise.flush_timeout})
        return batch
    return otherwise


def _processors(config: Config, kind: type[_Settings], wanted: Callable[[PipelineConfig], bool]) -> Iterator[_Settings]:
    """Settings of the processors of a kind in the wanted pipelines, in the order written."""
    for pipeline in config.pipelines.values():
        if wanted(pipeline):
            for id_ in pipeline.processors:
                settings = config.components[Kind.PROCESSORS][id_]
                if isinstance(settings, kind):
                    yield settings
