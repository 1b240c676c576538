"""Every metric there is. docs/metrics.md is generated from this table.

Those whose meaning is the Collector's bear its names, units and labels (receiver/receiverhelper, processor/
processorhelper, exporter/exporterhelper and service, each metadata.yaml), so that its dashboards and alerts work as
they are; the others begin with `spanledger_`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spanledger.model.received import Signal


class Kind(StrEnum):
    """How values develop."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Level(StrEnum):
    """From which `service::telemetry::metrics::level` on a metric is shown."""

    BASIC = "basic"
    NORMAL = "normal"
    DETAILED = "detailed"


class Across(StrEnum):
    """What several workers' values are together."""

    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and what its values mean."""

    name: str
    """Without the `_total` that Prometheus wants behind counters."""
    kind: Kind
    unit: str
    """UCUM, as in OpenTelemetry: `s`, `By`, `1`, or `{things}` that are counted."""
    labels: tuple[str, ...]
    meaning: str
    level: Level = Level.NORMAL
    across: Across = Across.SUM

    @property
    def shown(self) -> str:
        """The name as Prometheus shows it by default."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


METRICS: Final[dict[str, Metric]] = {}
"""All of them, by name, in the order of the documentation."""


def _declare(
    kind: Kind,
    name: str,
    unit: str,
    labels: str,
    meaning: str,
    level: Level = Level.NORMAL,
    across: Across = Across.SUM,
) -> Metric:
    metric = METRICS[name] = Metric(name, kind, unit, tuple(labels.split()), meaning, level, across)
    return metric


_ITEMS: Final = {Signal.TRACES: "spans", Signal.LOGS: "log_records", Signal.METRICS: "metric_points"}
_WORDS: Final = {Signal.TRACES: "Spans", Signal.LOGS: "Log records", Signal.METRICS: "Data points"}


def _per_signal(prefix: str, labels: str, meaning: str) -> dict[Signal, Metric]:
    return {
        signal: _declare(
            Kind.COUNTER, f"{prefix}_{items}", f"{{{items}}}", labels, f"{_WORDS[signal]} {meaning}", Level.BASIC
        )
        for signal, items in _ITEMS.items()
    }


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_B, _N, _D = Level.BASIC, Level.NORMAL, Level.DETAILED

# The Collector's.

RECEIVER_ACCEPTED: Final = _per_signal(
    "otelcol_receiver_accepted", "receiver transport", "that are safe: in the log, on disk where it is durable."
)
RECEIVER_REFUSED: Final = _per_signal(
    "otelcol_receiver_refused",
    "receiver transport",
    "that could not be taken, because there is no room or the log cannot be written; the sender was told to send them "
    "again. A request that was refused before it was read counts as one.",
)
RECEIVER_FAILED: Final = _per_signal(
    "otelcol_receiver_failed", "receiver transport", "whose request broke something inside."
)
PROCESSOR_INCOMING: Final = _declare(
    _C, "otelcol_processor_incoming_items", "{items}", "processor otel_signal", "Items given to the processor."
)
PROCESSOR_OUTGOING: Final = _declare(
    _C, "otelcol_processor_outgoing_items", "{items}", "processor otel_signal", "Items that the processor left."
)
PROCESSOR_DURATION: Final = _declare(
    _H, "otelcol_processor_internal_duration", "s", "processor otel_signal", "Time in the processor per request."
)
EXPORTER_SENT: Final = _per_signal(
    "otelcol_exporter_sent",
    "exporter",
    "of requests that the exporter is done with: everything that the mapping made of them is written.",
)
EXPORTER_SEND_FAILED: Final = _per_signal(
    "otelcol_exporter_send_failed",
    "exporter",
    "that the store will never take; they are among the dead letters. Attempts that will be repeated do not count.",
)
EXPORTER_ENQUEUE_FAILED: Final = _per_signal(
    "otelcol_exporter_enqueue_failed", "exporter", "that the log, which is the queue of all exporters, did not take."
)
QUEUE_SIZE: Final = _declare(
    _G,
    "otelcol_exporter_queue_size",
    "By",
    "exporter data_type",
    "Bytes in the log behind the exporter's cursor (the Collector with `sizer: bytes`).",
    _B,
)
QUEUE_CAPACITY: Final = _declare(
    _G, "otelcol_exporter_queue_capacity", "By", "exporter data_type", "Bytes that the log may hold.", _B
)
IN_FLIGHT: Final = _declare(
    _G,
    "otelcol_exporter_in_flight_requests",
    "{requests}",
    "exporter",
    "Batches being written, or waiting for their next attempt.",
)
UPTIME: Final = _declare(
    _C, "otelcol_process_uptime", "s", "", "Time since the process started.", _B, across=Across.MAX
)
CPU: Final = _declare(_C, "otelcol_process_cpu_seconds", "s", "", "CPU time, user and system.", _B)
RSS: Final = _declare(_G, "otelcol_process_memory_rss", "By", "", "Resident memory.", _B)

# Receivers.

REQUESTS: Final = _declare(
    _C, "spanledger_receiver_requests", "{requests}", "receiver transport", "Requests taken as a whole or in part."
)
REFUSED_REQUESTS: Final = _declare(
    _C,
    "spanledger_receiver_refused_requests",
    "{requests}",
    "receiver transport reason",
    "Requests answered with an error. `reason`: too_large, invalid, unauthenticated, permission_denied, not_served, "
    "overloaded, throttled, log, store or internal.",
    _B,
)
REJECTED_ITEMS: Final = _declare(
    _C,
    "spanledger_receiver_rejected_items",
    "{items}",
    "receiver transport signal",
    "Bad items among good ones, told to the sender through partial success.",
)
RECEIVED_BYTES: Final = _declare(
    _C, "spanledger_receiver_received_bytes", "By", "receiver transport", "Bodies of these requests, decompressed."
)
IN_FLIGHT_BYTES: Final = _declare(
    _G, "spanledger_receiver_in_flight_bytes", "By", "receiver transport", "Requests on their way in (admission)."
)
IN_FLIGHT_LIMIT: Final = _declare(
    _G, "spanledger_receiver_in_flight_limit_bytes", "By", "receiver transport", "Bound of the bytes in flight."
)
PROJECT_ITEMS: Final = _declare(
    _C,
    "spanledger_project_accepted_items",
    "{items}",
    "project",
    "Items accepted for a project; projects beyond 200 share the name `(other)`.",
    _D,
)
AUTH_REFUSED: Final = _declare(
    _C,
    "spanledger_auth_refused_requests",
    "{requests}",
    "extension",
    "Requests that the extension refused: no key, an unknown one, or over a project's limits.",
)

# The log.

LOG_BYTES: Final = _declare(
    _G, "spanledger_log_bytes", "By", "", "Entries kept, those for the mapping's memory included.", _B
)
LOG_CAPACITY: Final = _declare(_G, "spanledger_log_capacity_bytes", "By", "", "Bytes that the log may hold.", _B)
LOG_ENTRIES: Final = _declare(_C, "spanledger_log_appended_entries", "{requests}", "", "Requests appended.")
LOG_APPENDED_BYTES: Final = _declare(_C, "spanledger_log_appended_bytes", "By", "", "Bytes appended.")
LOG_COMMITS: Final = _declare(
    _C, "spanledger_log_commits", "{commits}", "", "Syncs; requests that arrive together share one."
)
LOG_COMMIT_SECONDS: Final = _declare(
    _H, "spanledger_log_commit_seconds", "s", "", "Writing and syncing one group of requests to disk."
)
LOG_REFUSED: Final = _declare(
    _C, "spanledger_log_refused_requests", "{requests}", "", "Appends refused for lack of room.", _B
)
LOG_DROPPED: Final = _declare(
    _C,
    "spanledger_log_dropped_entries",
    "{requests}",
    "",
    "Acknowledged requests dropped undelivered by `when_full: drop_oldest`.",
    _B,
)
LOG_DAMAGED: Final = _declare(
    _C, "spanledger_log_damaged_entries", "{requests}", "", "Entries that could not be read back.", _B
)
LOG_TORN: Final = _declare(
    _C, "spanledger_log_torn_bytes", "By", "", "Cut off the end at the start: commits that were never acknowledged."
)
LOG_DRAIN_RATE: Final = _declare(_G, "spanledger_log_drain_rate", "By/s", "", "Bytes a second that leave the log.")
DEAD_LETTERS: Final = _declare(_G, "spanledger_dead_letters", "{letters}", "", "Dead letters kept now.", _B)
DEAD_LETTERS_DROPPED: Final = _declare(
    _C, "spanledger_dead_letters_dropped", "{letters}", "", "Dead letters dropped because their bound was reached.", _B
)

# The mapping.

MAPPED_ENTRIES: Final = _declare(
    _C,
    "spanledger_mapping_entries",
    "{requests}",
    "",
    "Requests mapped; one that is mapped again for an exporter that fell behind counts twice.",
)
MAPPED_RECORDS: Final = _declare(
    _C,
    "spanledger_mapping_records",
    "{records}",
    "kind",
    "Records made, by run type, or score, thread, metric. A run that late facts change counts again.",
)
MAPPED_DIALECTS: Final = _declare(
    _C,
    "spanledger_mapping_dialect_runs",
    "{runs}",
    "dialect",
    "Runs made, by the dialect that their spans were read in; `none` for plain spans.",
)
MAPPING_SECONDS: Final = _declare(_C, "spanledger_mapping_seconds", "s", "", "Time in the mapping.")
UNMAPPABLE: Final = _declare(
    _C, "spanledger_mapping_unmappable_items", "{items}", "", "Items that became dead letters in the mapping.", _B
)
UNPRICED: Final = _declare(
    _C,
    "spanledger_mapping_unpriced_runs",
    "{runs}",
    "provider",
    "Runs whose usage is known and whose model has no price; providers beyond 100 share the name `(other)`.",
)
MEMORY_TRACES: Final = _declare(
    _G, "spanledger_trace_memory_traces", "{traces}", "", "Traces that the mapping remembers."
)
MEMORY_ITEMS: Final = _declare(
    _G, "spanledger_trace_memory_items", "{items}", "", "Spans and log records that the mapping remembers."
)
MEMORY_BYTES: Final = _declare(_G, "spanledger_trace_memory_bytes", "By", "", "Rough bytes of what it remembers.")

# Exporters.

WRITTEN: Final = _declare(_C, "spanledger_exporter_written_records", "{records}", "exporter", "Records written.")
BATCHES: Final = _declare(_C, "spanledger_exporter_batches", "{batches}", "exporter", "Batches done.")
WRITE_SECONDS: Final = _declare(
    _H, "spanledger_exporter_write_seconds", "s", "exporter", "One attempt to write a batch, failed ones included."
)
RETRIES: Final = _declare(_C, "spanledger_exporter_retries", "{attempts}", "exporter", "Attempts that were repeated.")
DEAD_RECORDS: Final = _declare(
    _C, "spanledger_exporter_dead_records", "{records}", "exporter", "Records that became dead letters.", _B
)
LAG: Final = _declare(
    _G, "spanledger_exporter_lag_entries", "{requests}", "exporter", "Requests in the log behind its cursor.", _B
)
OLDEST_AGE: Final = _declare(
    _G,
    "spanledger_exporter_oldest_age_seconds",
    "s",
    "exporter",
    "Since the oldest request was received that it has not written; 0 when there is none.",
    _B,
    Across.MAX,
)
BUFFERED_RECORDS: Final = _declare(
    _G, "spanledger_exporter_buffered_records", "{records}", "exporter", "Mapped records that wait in memory."
)
BUFFERED_BYTES: Final = _declare(_G, "spanledger_exporter_buffered_bytes", "By", "exporter", "Rough bytes of these.")
EXPORTER_STATE: Final = _declare(
    _G,
    "spanledger_exporter_state",
    "1",
    "exporter state",
    "1 for the state that it is in: starting, running, retrying or stopped; with workers, how many are.",
    _B,
)

# The process.

READY: Final = _declare(_G, "spanledger_ready", "1", "", "1 while data is accepted; with workers, how many accept.", _B)
RESTARTS: Final = _declare(
    _C, "spanledger_worker_restarts", "{restarts}", "worker", "Times that a worker died and was started again.", _B
)
RELOADS: Final = _declare(
    _C,
    "spanledger_config_reloads",
    "{reloads}",
    "outcome",
    "Configurations read again: taken over (success) or kept out (failure).",
    _B,
)
BUILD: Final = _declare(_G, "spanledger_build_info", "1", "version python", "Always 1.", _B, Across.MAX)
