"""OTLP metrics of the GenAI conventions, kept as `metric` records beside the runs and never added to their usage."""

from __future__ import annotations

from spanledger.mapping.coerce import text
from spanledger.model.ids import uuid8
from spanledger.model.records import Metric
from spanledger.model.span import MetricPoint

_NAMES = ("gen_ai.", "llm.", "claude_code.", "codex.", "gemini_cli.", "lk.agents.")


def metric_record(project_id: str, point: MetricPoint) -> Metric | None:
    """The record of a GenAI data point; None for metrics of anything else."""
    if not point.name.startswith(_NAMES):
        return None
    attributes = {key: value for key, value in point.attributes.items() if value is not None}
    service = text(point.resource.attributes.get("service.name"))
    identity = repr(sorted((key, repr(value)) for key, value in attributes.items()))
    return Metric(
        project_id=project_id,
        metric_id=uuid8(
            "metric", project_id, point.name, service or "", identity, str(point.start_ns), str(point.time_ns)
        ),
        name=point.name,
        unit=point.unit,
        kind=point.kind,
        temporality=point.temporality,
        started_at=point.start_ns or None,
        at=point.time_ns,
        value=point.value,
        count=point.count,
        sum=point.total,
        min=point.minimum,
        max=point.maximum,
        bounds=point.bounds,
        buckets=point.buckets,
        attributes=attributes,
        service_name=service,
    )
