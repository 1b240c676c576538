"""From what components count to samples."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Collection, Iterable
from typing import Final

from spanledger._version import __version__
from spanledger.model.received import Signal
from spanledger.pipeline.status import ExporterState, ExporterStatus, LogStatus, PipelineStatus
from spanledger.processors.counts import ProcessorCounts
from spanledger.receiver.admission import Admission
from spanledger.receiver.traffic import Traffic
from spanledger.telemetry.metrics import declarations as m
from spanledger.telemetry.metrics.samples import Samples

_STARTED: Final = time.monotonic()
"""When this module was loaded: as good as the start of the process."""


def add_process(samples: Samples) -> None:
    """Of the process that this runs in."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    samples.add(m.UPTIME, time.monotonic() - _STARTED)
    samples.add(m.CPU, usage.ru_utime + usage.ru_stime)
    samples.add(m.RSS, _resident(usage.ru_maxrss))
    samples.add(m.BUILD, 1, __version__, platform.python_version())


def add_listener(samples: Samples, receiver: str, transport: str, traffic: Traffic, admission: Admission) -> None:
    """Of one listener of a receiver."""
    at = (receiver, transport)
    for signal in Signal:
        samples.add(m.RECEIVER_ACCEPTED[signal], traffic.accepted[signal], *at)
        samples.add(m.RECEIVER_REFUSED[signal], traffic.refused[signal], *at)
        samples.add(m.RECEIVER_FAILED[signal], traffic.failed[signal], *at)
        samples.add(m.REJECTED_ITEMS, traffic.rejected[signal], *at, signal)
    samples.add(m.REQUESTS, traffic.requests, *at)
    samples.add(m.RECEIVED_BYTES, traffic.bytes, *at)
    for reason, requests in traffic.refusals.items():
        samples.add(m.REFUSED_REQUESTS, requests, *at, reason)
    samples.add(m.IN_FLIGHT_BYTES, admission.used, *at)
    samples.add(m.IN_FLIGHT_LIMIT, admission.max_bytes, *at)
    for project, items in traffic.accepted_of.copy().items():
        samples.add(m.PROJECT_ITEMS, items, project)


def add_processors(samples: Samples, signal: Signal, counts: Iterable[ProcessorCounts]) -> None:
    """Of the processors of a signal."""
    for one in counts:
        samples.add(m.PROCESSOR_INCOMING, one.incoming, one.name, signal)
        samples.add(m.PROCESSOR_OUTGOING, one.outgoing, one.name, signal)
        samples.add(m.PROCESSOR_DURATION, one.seconds.copy(), one.name, signal)


def add_pipeline(samples: Samples, status: PipelineStatus) -> None:
    """Of log, mapping and deliveries, but for what needs to know an exporter's signals."""
    _add_log(samples, status.log)
    mapping = status.mapping
    samples.add(m.MAPPED_ENTRIES, status.mapped_entries)
    samples.add(m.MAPPING_SECONDS, mapping.seconds)
    samples.add(m.UNMAPPABLE, status.unmappable_items)
    for metric, counts in (
        (m.MAPPED_RECORDS, mapping.kinds),
        (m.MAPPED_DIALECTS, mapping.dialects),
        (m.UNPRICED, mapping.unpriced),
    ):
        for name, count in counts.items():
            samples.add(metric, count, name)
    samples.add(m.MEMORY_TRACES, mapping.traces)
    samples.add(m.MEMORY_ITEMS, mapping.items)
    samples.add(m.MEMORY_BYTES, mapping.bytes)


def add_exporter(
    samples: Samples, name: str, signals: Collection[Signal], status: PipelineStatus, delivery: str
) -> None:
    """Of one delivery to an exporter, which brings it these signals."""
    exporter = status.exporters.get(delivery)
    if exporter is None:  # it has not begun
        return
    for signal in signals:
        samples.add(m.EXPORTER_SENT[signal], exporter.sent[signal], name)
        samples.add(m.EXPORTER_SEND_FAILED[signal], exporter.failed[signal], name)
        samples.add(m.EXPORTER_ENQUEUE_FAILED[signal], status.refused_items[signal], name)
    data_type = "+".join(signal for signal in Signal if signal in signals)
    samples.add(m.QUEUE_SIZE, exporter.waiting_bytes, name, data_type)
    samples.add(m.QUEUE_CAPACITY, status.log.max_bytes, name, data_type)
    _add_delivery(samples, name, exporter)


def _add_delivery(samples: Samples, name: str, exporter: ExporterStatus) -> None:
    samples.add(m.IN_FLIGHT, exporter.in_flight, name)
    samples.add(m.WRITTEN, exporter.written, name)
    samples.add(m.BATCHES, exporter.batches, name)
    if exporter.write_seconds is not None:
        samples.add(m.WRITE_SECONDS, exporter.write_seconds, name)
    samples.add(m.RETRIES, exporter.retries, name)
    samples.add(m.DEAD_RECORDS, exporter.dead, name)
    samples.add(m.LAG, exporter.lag, name)
    samples.add(m.OLDEST_AGE, exporter.oldest_age, name)
    samples.add(m.BUFFERED_RECORDS, exporter.buffered_records, name)
    samples.add(m.BUFFERED_BYTES, exporter.buffered_bytes, name)
    for state in ExporterState:
        samples.add(m.EXPORTER_STATE, int(exporter.state is state), name, state)


def _add_log(samples: Samples, log: LogStatus) -> None:
    samples.add(m.LOG_BYTES, log.bytes)
    samples.add(m.LOG_CAPACITY, log.max_bytes)
    samples.add(m.LOG_ENTRIES, log.entries_appended)
    samples.add(m.LOG_APPENDED_BYTES, log.bytes_appended)
    samples.add(m.LOG_COMMITS, log.commits)
    if log.commit_seconds is not None:
        samples.add(m.LOG_COMMIT_SECONDS, log.commit_seconds)
    samples.add(m.LOG_REFUSED, log.refused)
    samples.add(m.LOG_DROPPED, log.dropped)
    samples.add(m.LOG_DAMAGED, log.damaged)
    samples.add(m.LOG_TORN, log.torn_bytes)
    samples.add(m.LOG_DRAIN_RATE, log.drain_rate)
    samples.add(m.DEAD_LETTERS, log.dead_letters)
    samples.add(m.DEAD_LETTERS_DROPPED, log.dead_letters_dropped)


def _resident(largest: int) -> int:
    """Bytes of resident memory; where the system does not tell, the most there ever were."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return largest if sys.platform == "darwin" else largest * 1024
