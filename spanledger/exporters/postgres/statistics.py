"""Views with the statistics that users of LSD know by name, with the columns and the meaning that they have in
ClickHouse (`spanledger.exporters.clickhouse.views`). They are computed from `runs` when they are read, so filter by
project; usage by day stands in tables of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_COUNTS: Final = "billable AND type IN ('llm', 'embed', 'rerank')"
_FUNCTION: Final = "coalesce(metadata ->> 'function_name', name)"
_VARIANT: Final = "coalesce(metadata ->> 'variant_name', model, '')"
_MODEL: Final = "coalesce(model, '') AS model, coalesce(provider, '') AS provider"
_MINUTE: Final = "to_timestamp(started_at / 60000000000 * 60)"
_HOUR: Final = "to_timestamp(started_at / 3600000000000 * 3600)"
_SUMS: Final = (
    "sum(input_tokens) AS total_input_tokens, sum(output_tokens) AS total_output_tokens,\n"
    "  sum(cache_read_tokens) AS total_cache_read_tokens, sum(cache_write_tokens) AS total_cache_write_tokens,\n"
    "  sum(cost) * 0.000000000001 AS total_cost, count(cost) AS count_with_cost"
)


def views() -> Iterator[str]:
    """Statements that make them. `{schema}` is left for the migration to fill in."""
    yield _view(
        "inference_by_function_statistics",
        f"project_id, {_FUNCTION} AS function_name, {_VARIANT} AS variant_name, type AS function_type,\n"
        f"  {_MINUTE} AS minute, count(*) AS inference_count",
        "1, 2, 3, 4, 5",
    )
    yield _view(
        "variant_statistics",
        f"project_id, {_FUNCTION} AS function_name, {_VARIANT} AS variant_name, {_MINUTE} AS minute,\n"
        f"  count(*) AS inference_count, {_SUMS}",
        "1, 2, 3, 4",
    )
    yield _view(
        "model_provider_statistics",
        f"project_id, {_MODEL}, {_MINUTE} AS minute, count(*) AS inference_count,\n"
        f"  count(*) FILTER (WHERE status = 'error') AS error_count, {_SUMS}",
        "1, 2, 3, 4",
    )
    for unit, time in (("minute", _MINUTE), ("hour", _HOUR)):
        yield _histogram(unit, time)


def _view(name: str, columns: str, group: str) -> str:
    return f"CREATE VIEW {{schema}}.{name} AS\nSELECT {columns}\nFROM {{schema}}.runs WHERE {_COUNTS}\nGROUP BY {group}"


def _histogram(unit: str, time: str) -> str:
    """Buckets of latency, 64 for each doubling of the milliseconds. The logarithm of a power of 2 may end a hair below
    a whole number, which a bucket begins with; hence the 1e-9."""
    bucket = "floor(ln(greatest(latency / 1e6, 1)) / ln(2::double precision) * 64 + 1e-9)::integer"
    return (
        f"CREATE VIEW {{schema}}.model_latency_histogram_{unit} AS\n"
        f"SELECT project_id, {_MODEL}, {time} AS {unit}, metric,\n"
        f"  CASE WHEN latency <= 0 THEN -1 ELSE {bucket} END AS bucket_id, count(*) AS bucket_count\n"
        "FROM {schema}.runs\n"
        "CROSS JOIN LATERAL (VALUES ('response_time_ms', duration_ns), ('ttft_ms', ttft_ns))\n"
        "  AS found (metric, latency)\n"
        f"WHERE {_COUNTS} AND status <> 'error' AND cost_source IS DISTINCT FROM 'cached' AND latency IS NOT NULL\n"
        "GROUP BY 1, 2, 3, 4, 5, 6"
    )
