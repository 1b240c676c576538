"""Views for people: usage per model, per user and per trace, and the statistics that users of LSD know by name.

They are computed when they are read, from the winning versions of runs: a stored sum that is fed by inserts counts
corrections and repetitions again. Sums of tokens and cost are of the runs that count (`billable`); they are NULL where
nothing is known, and `calls_with_cost` beside `calls` tells how much of a cost is known. Money is in USD.
"""

from __future__ import annotations

from typing import Final

from spanledger.exporters.clickhouse.tables import identifier

_FROM: Final = "FROM {database}.`runs` FINAL"
_SETTINGS: Final = (
    # Below the merge no condition may drop a version, and versions may lie in several partitions.
    "SETTINGS do_not_merge_across_partitions_select_final = 0, use_skip_indexes_if_final = 0, "
    "optimize_move_to_prewhere_if_final = 0"
)
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
# The prefix keeps the sum apart from the column it sums: an alias hides a column of the same name.
_SUMS: Final = ", ".join(f"sumIf(toInt128(runs.{name}), billable) AS {name}" for name in _TOKENS)
_COST: Final = "toDecimal128(sumIf(toInt128(runs.cost), billable), 12) / 1000000000000 AS cost"
_MEASURES: Final = (
    f"countIf(billable) AS calls, countIf(billable AND runs.cost IS NOT NULL) AS calls_with_cost, {_SUMS}, {_COST}"
)
_FUNCTION: Final = "if(mapContains(metadata, 'function_name'), metadata['function_name'], name)"
_VARIANT: Final = "if(mapContains(metadata, 'variant_name'), metadata['variant_name'], toString(runs.model))"
_LSD_SUMS: Final = (
    "sum(toInt128(runs.input_tokens)) AS total_input_tokens, sum(toInt128(runs.output_tokens)) AS total_output_tokens, "
    "sum(toInt128(runs.cache_read_tokens)) AS total_cache_read_tokens, "
    "sum(toInt128(runs.cache_write_tokens)) AS total_cache_write_tokens, "
    "toDecimal128(sum(toInt128(runs.cost)), 12) / 1000000000000 AS total_cost, "
    "countIf(runs.cost IS NOT NULL) AS count_with_cost"
)
_COUNTS: Final = "billable AND type IN ('llm', 'embed', 'rerank')"


def _histogram(unit: str) -> str:
    """Buckets of latency, 64 for each doubling of the milliseconds: a quantile read from them is less than 1.1 % off.
    Its value is the middle of its bucket, `exp2((bucket_id + 0.5) / 64)`. Errors and answers from a cache are left
    out."""
    return (
        f"SELECT project_id, model, provider, toStartOf{unit}(started_at) AS {unit.lower()}, latency.1 AS metric, "
        "if(latency.2 <= 0, -1, toInt32(floor(log2(greatest(latency.2 / 1e6, 1)) * 64))) AS bucket_id, "
        f"count() AS bucket_count {_FROM} "
        "ARRAY JOIN arrayFilter(pair -> isNotNull(pair.2), "
        "[('response_time_ms', duration_ns), ('ttft_ms', ttft_ns)]) AS latency "
        f"WHERE {_COUNTS} AND status != 'error' AND cost_source != 'cached' "
        f"GROUP BY project_id, model, provider, {unit.lower()}, metric, bucket_id"
    )


VIEWS: Final = {
    "model_usage_daily": (
        f"SELECT project_id, toDate32(started_at) AS day, provider, model, countIf(status = 'error') AS errors, "
        f"{_MEASURES} {_FROM} WHERE type IN ('llm', 'embed', 'rerank') OR billable "
        "GROUP BY project_id, day, provider, model"
    ),
    "user_usage_daily": (
        "SELECT project_id, toDate32(started_at) AS day, user_id, count() AS runs, "
        f"countIf(status = 'error') AS errors, {_MEASURES} {_FROM} WHERE user_id != '' "
        "GROUP BY project_id, day, user_id"
    ),
    "trace_summary": (
        "SELECT project_id, trace_id, min(runs.started_at) AS started_at, max(runs.ended_at) AS ended_at, "
        "argMin(runs.name, (isNotNull(parent_run_id), runs.started_at)) AS name, "
        "argMin(runs.type, (isNotNull(parent_run_id), runs.started_at)) AS type, "
        "anyIf(runs.user_id, runs.user_id != '') AS user_id, "
        "anyIf(runs.session_id, runs.session_id != '') AS session_id, "
        f"count() AS runs, countIf(status = 'error') AS errors, {_MEASURES} {_FROM} WHERE trace_id != '' "
        "GROUP BY project_id, trace_id"
    ),
    "inference_by_function_statistics": (
        f"SELECT project_id, {_FUNCTION} AS function_name, {_VARIANT} AS variant_name, type AS function_type, "
        f"toStartOfMinute(started_at) AS minute, count() AS inference_count {_FROM} WHERE {_COUNTS} "
        "GROUP BY project_id, function_name, variant_name, function_type, minute"
    ),
    "variant_statistics": (
        f"SELECT project_id, {_FUNCTION} AS function_name, {_VARIANT} AS variant_name, "
        f"toStartOfMinute(started_at) AS minute, count() AS inference_count, {_LSD_SUMS} {_FROM} WHERE {_COUNTS} "
        "GROUP BY project_id, function_name, variant_name, minute"
    ),
    "model_provider_statistics": (
        "SELECT project_id, model, provider, toStartOfMinute(started_at) AS minute, count() AS inference_count, "
        f"countIf(status = 'error') AS error_count, {_LSD_SUMS} {_FROM} WHERE {_COUNTS} "
        "GROUP BY project_id, model, provider, minute"
    ),
    "model_latency_histogram_minute": _histogram("Minute"),
    "model_latency_histogram_hour": _histogram("Hour"),
}
"""Name → SELECT. `{database}` is filled in by the migration."""


def create_view(name: str) -> str:
    """CREATE VIEW. A view holds nothing, so a later migration may make it anew."""
    return f"CREATE OR REPLACE VIEW {{database}}.{identifier(name)} AS {VIEWS[name]} {_SETTINGS}"
