"""The dashboard of spanledger's own health, from the metrics that docs/metrics.md lists. Written by make_dashboards.py.

Tests parse every expression, look its metrics and labels up where they are declared, and ask a running process for
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OF: Final = 'job=~"$job", instance=~"$instance"'


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` are legend → PromQL, in which `OF` stands for the chosen jobs and instances, `SPAN` for the
    interval of a rate."""

    title: str
    kind: str
    width: int
    queries: dict[str, str]
    unit: str = "short"
    description: str = ""
    thresholds: tuple[float, ...] = ()
    """Values from which it is yellow, then red; going down, from which it is no longer red, then green."""
    height: int = 8


ROWS: Final = {
    "At a glance": (
        Panel(
            "Ready", "stat", 4, {"": "min(spanledger_ready{OF})"}, description="0: data is refused.", thresholds=(1,)
        ),
        Panel(
            "Oldest undelivered",
            "stat",
            4,
            {"": "max(spanledger_exporter_oldest_age_seconds{OF})"},
            "s",
            "How far the slowest exporter is behind what was acknowledged.",
            (60, 300),
        ),
        Panel(
            "Log filled",
            "stat",
            4,
            {"": "max(spanledger_log_bytes{OF} / spanledger_log_capacity_bytes{OF})"},
            "percentunit",
            "At 1 senders are told to come again.",
            (0.5, 0.8),
        ),
        Panel(
            "Accepted",
            "stat",
            4,
            {"": "sum(rate(otelcol_receiver_accepted_spans_total{OF}[SPAN]))"},
            description="Spans a second.",
        ),
        Panel(
            "Requests refused",
            "stat",
            4,
            {"": "sum(rate(spanledger_receiver_refused_requests_total{OF}[SPAN])) or vector(0)"},
            "reqps",
            thresholds=(0.01, 1),
        ),
        Panel(
            "Dead letters",
            "stat",
            4,
            {"": "sum(spanledger_dead_letters{OF})"},
            description="What no store will take; `spanledger queue` shows why.",
            thresholds=(1, 100),
        ),
    ),
    "What comes in": (
        Panel(
            "Items accepted",
            "timeseries",
            12,
            {
                "spans {{receiver}} {{transport}}": "sum by (receiver, transport) "
                "(rate(otelcol_receiver_accepted_spans_total{OF}[SPAN]))",
                "log records {{receiver}} {{transport}}": "sum by (receiver, transport) "
                "(rate(otelcol_receiver_accepted_log_records_total{OF}[SPAN]))",
                "metric points {{receiver}} {{transport}}": "sum by (receiver, transport) "
                "(rate(otelcol_receiver_accepted_metric_points_total{OF}[SPAN]))",
            },
        ),
        Panel(
            "Requests refused, by reason",
            "timeseries",
            12,
            {
                "{{reason}}": "sum by (reason) (rate(spanledger_receiver_refused_requests_total{OF}[SPAN]))",
                "bad items among good ones": "sum(rate(spanledger_receiver_rejected_items_total{OF}[SPAN]))",
            },
            "reqps",
            "overloaded, log: there was no room; throttled: a project's limits; the others are the senders' faults.",
        ),
        Panel(
            "Bytes received",
            "timeseries",
            12,
            {
                "{{receiver}} {{transport}}": "sum by (receiver, transport) "
                "(rate(spanledger_receiver_received_bytes_total{OF}[SPAN]))"
            },
            "Bps",
        ),
        Panel(
            "Requests on their way in",
            "timeseries",
            12,
            {
                "{{instance}} {{transport}}": "sum by (instance, transport) (spanledger_receiver_in_flight_bytes{OF})",
                "bound of {{transport}}": "max by (transport) (spanledger_receiver_in_flight_limit_bytes{OF})",
            },
            "bytes",
        ),
    ),
    "The log": (
        Panel(
            "Bytes in the log",
            "timeseries",
            12,
            {
                "{{instance}}": "sum by (instance) (spanledger_log_bytes{OF})",
                "capacity of {{instance}}": "max by (instance) (spanledger_log_capacity_bytes{OF})",
            },
            "bytes",
        ),
        Panel(
            "Time to sync a group of requests",
            "timeseries",
            12,
            {
                f"p{share:g}": f"histogram_quantile({share / 100:g}, "
                "sum by (le) (rate(spanledger_log_commit_seconds_bucket{OF}[SPAN])))"
                for share in (50, 95, 99)
            },
            "s",
            "A sender waits for it.",
        ),
        Panel(
            "Requests a sync",
            "timeseries",
            12,
            {
                "{{instance}}": "sum by (instance) (rate(spanledger_log_appended_entries_total{OF}[SPAN])) / "
                "sum by (instance) (rate(spanledger_log_commits_total{OF}[SPAN]))"
            },
        ),
        Panel(
            "What was lost or damaged",
            "timeseries",
            12,
            {
                "dropped, oldest first": "sum(increase(spanledger_log_dropped_entries_total{OF}[SPAN]))",
                "damaged": "sum(increase(spanledger_log_damaged_entries_total{OF}[SPAN]))",
                "dead letters dropped": "sum(increase(spanledger_dead_letters_dropped_total{OF}[SPAN]))",
            },
            description="Zero, always.",
        ),
    ),
    "The mapping": (
        Panel(
            "Records made, by kind",
            "timeseries",
            12,
            {"{{kind}}": "sum by (kind) (rate(spanledger_mapping_records_total{OF}[SPAN]))"},
        ),
        Panel(
            "Runs, by dialect",
            "timeseries",
            12,
            {"{{dialect}}": "sum by (dialect) (rate(spanledger_mapping_dialect_runs_total{OF}[SPAN]))"},
        ),
        Panel(
            "Runs without a price",
            "timeseries",
            12,
            {"{{provider}}": "sum by (provider) (increase(spanledger_mapping_unpriced_runs_total{OF}[SPAN]))"},
            description="Give their models a price under service::mapping::prices, then `spanledger reprice`.",
        ),
        Panel(
            "Share of a core in the mapping",
            "timeseries",
            12,
            {"{{instance}}": "sum by (instance) (rate(spanledger_mapping_seconds_total{OF}[SPAN]))"},
            "percentunit",
        ),
        Panel(
            "Trace memory",
            "timeseries",
            12,
            {"{{instance}}": "sum by (instance) (spanledger_trace_memory_bytes{OF})"},
            "bytes",
        ),
        Panel(
            "Items that could not be mapped",
            "timeseries",
            12,
            {"items": "sum(increase(spanledger_mapping_unmappable_items_total{OF}[SPAN]))"},
        ),
    ),
    "The exporters": (
        Panel(
            "Records written",
            "timeseries",
            12,
            {"{{exporter}}": "sum by (exporter) (rate(spanledger_exporter_written_records_total{OF}[SPAN]))"},
        ),
        Panel(
            "Behind by",
            "timeseries",
            12,
            {"{{exporter}}": "max by (exporter) (spanledger_exporter_oldest_age_seconds{OF})"},
            "s",
        ),
        Panel(
            "Time of a write, p95",
            "timeseries",
            12,
            {
                "{{exporter}}": "histogram_quantile(0.95, sum by (le, exporter) "
                "(rate(spanledger_exporter_write_seconds_bucket{OF}[SPAN])))"
            },
            "s",
        ),
        Panel(
            "Attempts again, and records given up",
            "timeseries",
            12,
            {
                "{{exporter}} again": "sum by (exporter) (rate(spanledger_exporter_retries_total{OF}[SPAN]))",
                "{{exporter}} dead": "sum by (exporter) (increase(spanledger_exporter_dead_records_total{OF}[SPAN]))",
            },
        ),
        Panel(
            "State",
            "timeseries",
            12,
            {
                "{{exporter}} {{state}}": "sum by (exporter, state) (spanledger_exporter_state{OF}) > 0",
            },
            description="How many processes are in it: starting, running, retrying or stopped.",
        ),
        Panel(
            "Bytes that wait in the log",
            "timeseries",
            12,
            {"{{exporter}} {{data_type}}": "sum by (exporter, data_type) (otelcol_exporter_queue_size{OF})"},
            "bytes",
        ),
    ),
    "The process": (
        Panel(
            "CPU",
            "timeseries",
            8,
            {"{{instance}}": "sum by (instance) (rate(otelcol_process_cpu_seconds_total{OF}[SPAN]))"},
            "percentunit",
            "1 is a core.",
        ),
        Panel(
            "Resident memory",
            "timeseries",
            8,
            {"{{instance}}": "sum by (instance) (otelcol_process_memory_rss{OF})"},
            "bytes",
        ),
        Panel(
            "Restarts and new configurations",
            "timeseries",
            8,
            {
                "worker {{worker}} started again": "sum by (worker) "
                "(increase(spanledger_worker_restarts_total{OF}[SPAN]))",
                "configuration: {{outcome}}": "sum by (outcome) (increase(spanledger_config_reloads_total{OF}[SPAN]))",
            },
        ),
    ),
}
VARIABLES: Final = {
    "job": "label_values(spanledger_build_info, job)",
    "instance": 'label_values(spanledger_build_info{job=~"$job"}, instance)',
}


def dashboard() -> dict[str, Any]:
    """Grafana's JSON model."""
    return {
        "uid": "spanledger-health",
        "title": "spanledger: health",
        "tags": ["spanledger"],
        "schemaVersion": 39,
        "timezone": "",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "graphTooltip": 1,
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    for name, query in VARIABLES.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
        }


def _panels() -> Iterator[dict[str, Any]]:
    number = y = 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "title": title,
            "type": "row",
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            "panels": [],
        }
        y += 1
        x = tallest = 0
        for panel in panels:
            number += 1
            height = 4 if panel.kind == "stat" else panel.height
            if x + panel.width > 24:
                x, y, tallest = 0, y + tallest, 0
            yield _panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height})
            x, tallest = x + panel.width, max(tallest, height)
        y += tallest


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": {}}
    if panel.thresholds:
        colours = ("red", "green") if len(panel.thresholds) == 1 else ("green", "yellow", "red")
        steps = [{"color": colours[0], "value": None}]
        steps += [{"color": colour, "value": at} for colour, at in zip(colours[1:], panel.thresholds, strict=True)]
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind == "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": expression.replace("OF", _OF).replace("SPAN", "$__rate_interval"),
                "legendFormat": legend,
            }
            for at, (legend, expression) in enumerate(panel.queries.items())
        ],
    }
