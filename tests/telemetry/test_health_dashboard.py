"""The dashboard of spanledger's health asks for metrics and labels that there are."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from spanledger.telemetry.metrics.declarations import METRICS
from tests.cli.serving import serving, span_body
from tests.cli.test_serve import address_of, listed, post, until

FILE = Path(__file__).parents[2] / "helm" / "spanledger" / "dashboards" / "health.json"
OF_PROMETHEUS = {"job", "instance", "le"}
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def expressions() -> Iterator[tuple[str, str, str]]:
    """(panel, legend, PromQL), the variables of Grafana filled in."""
    for panel in json.loads(FILE.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")
            yield panel["title"], target["legendFormat"], expression.replace("$instance", ".*")


ALL = list(expressions())


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below a node of the parser's tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        below = getattr(node, name, None)
        for inner in below if isinstance(below, list) else [] if below is None else [below]:
            yield from selectors(inner)


def groupings(expression: str) -> set[str]:
    return {label.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for label in found.split(",")}


@pytest.mark.parametrize(("panel", "legend", "expression"), ALL, ids=[f"{panel} {legend}" for panel, legend, _ in ALL])
def test_metrics_and_labels_are_declared(panel: str, legend: str, expression: str) -> None:
    asked = list(selectors(promql_parser.parse(expression)))
    assert asked
    for selector in asked:
        name = SUFFIX.sub("", selector.name)
        counter = name.removesuffix("_total")
        metric = METRICS[counter if counter in METRICS else name]
        assert metric.shown == name
        named = set(re.findall(r"\{\{(\w+)\}\}", legend)) | groupings(expression)
        if len(asked) == 1:
            assert named <= {*metric.labels, *OF_PROMETHEUS}
        # A histogram has buckets, and nothing else does.
        assert selector.name.endswith("_bucket") == (metric.kind.name == "HISTOGRAM")


def test_every_panel_has_a_title_and_a_place_of_its_own() -> None:
    panels = json.loads(FILE.read_text())["panels"]
    places = {
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    }
    assert len(places) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)


def test_a_running_process_has_them(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        assert (
            post(f"http://{address_of(process, 'otlp over HTTP')}/v1/traces", span_body("00f067aa0ba902b7", "m")) == 200
        )
        until(lambda: listed(address_of(process, "api")))
        with urllib.request.urlopen(f"http://{address_of(process, 'metrics')}") as answer:
            scraped = answer.read().decode()
    series = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
    }
    asked = {
        selector.name: groupings(expression) - OF_PROMETHEUS
        for _, _, expression in ALL
        for selector in selectors(promql_parser.parse(expression))
    }

    # Those of what has not happened are not there yet.
    absent = {name for name in asked if name not in series}
    assert absent <= {
        "spanledger_receiver_refused_requests_total",
        "spanledger_mapping_unpriced_runs_total",
        "spanledger_worker_restarts_total",
    }
    assert [name for name, labels in asked.items() if name in series and not labels <= series[name]] == []
