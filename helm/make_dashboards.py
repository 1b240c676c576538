"""Writes the Grafana dashboards: the ledger's, the same questions for ClickHouse and for PostgreSQL, and the health of
spanledger itself (health_dashboard.py).

    python helm/make_dashboards.py            write helm/spanledger/dashboards/*.json
    python helm/make_dashboards.py --check    exit 1 when a file is not current

A panel is declared once; only its SQL differs. Tests run every statement against both stores.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import health_dashboard

FOLDER: Final = Path(__file__).parent / "spanledger" / "dashboards"

CLICKHOUSE: Final = "clickhouse"
POSTGRES: Final = "postgres"
_DATASOURCE: Final = {CLICKHOUSE: "grafana-clickhouse-datasource", POSTGRES: "grafana-postgresql-datasource"}
_TITLE: Final = {CLICKHOUSE: "ClickHouse", POSTGRES: "PostgreSQL"}

# What a statement is made of in each store. Money in `runs` is whole numbers of 1e-12 USD.
_FROM: Final = {
    CLICKHOUSE: "FROM spanledger.runs FINAL WHERE project_id = '${project}' AND $__timeFilter(started_at)",
    POSTGRES: "FROM spanledger.runs WHERE project_id = '${project}' AND $__unixEpochNanoFilter(started_at)",
}
_TIME: Final = {
    CLICKHOUSE: "$__timeInterval(started_at) AS time",
    POSTGRES: "$__unixEpochGroup(started_at / 1000000000, $__interval) AS time",
}
_USD: Final = {CLICKHOUSE: "/ 1e12", POSTGRES: "* 0.000000000001"}
_MILLISECONDS: Final = "duration_ns / 1e6"


def _quantile(store: str, share: float, expression: str) -> str:
    if store == CLICKHOUSE:
        return f"quantile({share})({expression})"
    return f"percentile_cont({share}) WITHIN GROUP (ORDER BY {expression})"


def _count_if(store: str, condition: str) -> str:
    return f"countIf({condition})" if store == CLICKHOUSE else f"count(*) FILTER (WHERE {condition})"


def _sum_if(store: str, value: str, condition: str) -> str:
    return f"sumIf({value}, {condition})" if store == CLICKHOUSE else f"sum({value}) FILTER (WHERE {condition})"


@dataclass(frozen=True)
class Panel:
    """One panel. `select` and the rest are templates: `{time}`, `{usd}`, `{from_}`, and what `expressions` gives."""

    title: str
    kind: str
    width: int
    sql: str
    unit: str = "short"
    description: str = ""
    stacked: bool = False
    height: int = 8
    extra: dict[str, Any] = field(default_factory=dict)

    def statement(self, store: str) -> str:
        """The SQL of a store, with Grafana's macros."""
        return self.sql.format(
            time=_TIME[store],
            usd=_USD[store],
            from_=_FROM[store],
            errors=_count_if(store, "status = 'error'"),
            calls=_count_if(store, "billable"),
            unpriced=_count_if(store, "billable AND cost IS NULL"),
            cost=f"{_sum_if(store, 'cost', 'billable')} {_USD[store]}",
            input=_sum_if(store, "input_tokens", "billable"),
            output=_sum_if(store, "output_tokens", "billable"),
            cached=_sum_if(store, "cache_read_tokens", "billable"),
            reasoning=_sum_if(store, "reasoning_tokens", "billable"),
            p50=_quantile(store, 0.5, _MILLISECONDS),
            p95=_quantile(store, 0.95, _MILLISECONDS),
            p99=_quantile(store, 0.99, _MILLISECONDS),
            ttft=_quantile(store, 0.95, "ttft_ns / 1e6"),
            speed=_quantile(store, 0.5, "tokens_per_second"),
            null_text="''" if store == CLICKHOUSE else "'(none)'",
        )


_OF_MODELS: Final = "AND coalesce(model, '') IN (${{model:sqlstring}})"
PANELS: Final = (
    Panel("Cost", "stat", 4, "SELECT {cost} AS cost {from_}", "currencyUSD", "What the runs that count cost."),
    Panel("Calls", "stat", 4, "SELECT {calls} AS calls {from_}"),
    Panel("Input tokens", "stat", 4, "SELECT {input} AS tokens {from_}"),
    Panel("Output tokens", "stat", 4, "SELECT {output} AS tokens {from_}"),
    Panel(
        "Errors",
        "stat",
        4,
        "SELECT {errors} * 100.0 / nullif(count(*), 0) AS errors {from_}",
        "percent",
        "Runs of every type that failed.",
    ),
    Panel(
        "Calls without a price",
        "stat",
        4,
        "SELECT {unpriced} AS calls {from_}",
        "short",
        "They count in the tokens and not in the cost; give their models a price under service::mapping::prices.",
    ),
    Panel(
        "Cost by model",
        "timeseries",
        12,
        f"SELECT {{time}}, model, {{cost}} AS cost {{from_}} {_OF_MODELS} AND billable GROUP BY 1, 2 ORDER BY 1",
        "currencyUSD",
        stacked=True,
    ),
    Panel(
        "Tokens",
        "timeseries",
        12,
        "SELECT {time}, {input} AS input, {cached} AS cached_input, {output} AS output, {reasoning} AS reasoning "
        "{from_} GROUP BY 1 ORDER BY 1",
        description="Cached input is part of the input, reasoning part of the output.",
    ),
    Panel(
        "Time of calls",
        "timeseries",
        12,
        f"SELECT {{time}}, {{p50}} AS p50, {{p95}} AS p95, {{p99}} AS p99 {{from_}} {_OF_MODELS} AND type = 'llm' "
        "AND duration_ns IS NOT NULL GROUP BY 1 ORDER BY 1",
        "ms",
    ),
    Panel(
        "First token and speed",
        "timeseries",
        12,
        f"SELECT {{time}}, {{ttft}} AS first_token_p95, {{speed}} AS median_speed {{from_}} {_OF_MODELS} "
        "AND type = 'llm' AND tokens_per_second IS NOT NULL GROUP BY 1 ORDER BY 1",
        description="Milliseconds to the first token, 95th percentile; median_speed: tokens per second.",
    ),
    Panel(
        "Errors by kind",
        "timeseries",
        12,
        "SELECT {time}, error_type, count(*) AS errors {from_} AND status = 'error' GROUP BY 1, 2 ORDER BY 1",
        stacked=True,
    ),
    Panel(
        "Runs by type",
        "timeseries",
        12,
        "SELECT {time}, type, count(*) AS runs {from_} GROUP BY 1, 2 ORDER BY 1",
        stacked=True,
    ),
    Panel(
        "Models",
        "table",
        24,
        f"SELECT provider, model, count(*) AS calls, {{input}} AS input_tokens, {{output}} AS output_tokens, "
        f"{{cost}} AS usd, {{p50}} AS p50_ms, {{p95}} AS p95_ms, {{errors}} AS errors, {{unpriced}} AS unpriced "
        f"{{from_}} {_OF_MODELS} AND type IN ('llm', 'embed') GROUP BY 1, 2 ORDER BY 6 DESC LIMIT 50",
    ),
    Panel(
        "Users",
        "table",
        12,
        "SELECT user_id, count(*) AS runs, {input} AS input_tokens, {output} AS output_tokens, {cost} AS usd, "
        "{errors} AS errors {from_} AND user_id IS NOT NULL GROUP BY 1 ORDER BY 5 DESC LIMIT 50",
    ),
    Panel(
        "Slowest calls",
        "table",
        12,
        f"SELECT run_id, name, model, {_MILLISECONDS} AS ms, output_tokens, status {{from_}} {_OF_MODELS} "
        "AND type = 'llm' AND duration_ns IS NOT NULL ORDER BY duration_ns DESC LIMIT 50",
    ),
)
VARIABLES: Final = {
    "project": "SELECT DISTINCT project_id FROM spanledger.runs ORDER BY 1",
    "model": "SELECT DISTINCT coalesce(model, '') FROM spanledger.runs WHERE project_id = '${project}' ORDER BY 1",
}


def dashboard(store: str) -> dict[str, Any]:
    """Grafana's JSON model of a store's dashboard."""
    return {
        "uid": f"spanledger-{store}",
        "title": f"spanledger: cost and usage ({_TITLE[store]})",
        "tags": ["spanledger", "llm"],
        "schemaVersion": 39,
        "timezone": "",
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "graphTooltip": 1,
        "templating": {"list": list(_variables(store))},
        "panels": list(_panels(store)),
    }


def _variables(store: str) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": _DATASOURCE[store], "label": "Data source"}
    for name, query in VARIABLES.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": _source(store),
            "query": query,
            "refresh": 2,
            "sort": 1,
            "multi": name == "model",
            "includeAll": name == "model",
        }


def _source(store: str) -> dict[str, str]:
    return {"type": _DATASOURCE[store], "uid": "${datasource}"}


def _panels(store: str) -> Iterator[dict[str, Any]]:
    x = y = tallest = 0
    for number, panel in enumerate(PANELS, 1):
        height = 4 if panel.kind == "stat" else panel.height
        if x + panel.width > 24:
            x, y, tallest = 0, y + tallest, 0
        custom = {"stacking": {"mode": "normal"}, "fillOpacity": 25} if panel.stacked else {}
        yield {
            "id": number,
            "title": panel.title,
            "description": panel.description,
            "type": panel.kind,
            "datasource": _source(store),
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
            "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
            "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind == "stat" else {},
            "targets": [_target(store, panel)],
        }
        x, tallest = x + panel.width, max(tallest, height)


def _target(store: str, panel: Panel) -> dict[str, Any]:
    series = panel.kind == "timeseries"
    target: dict[str, Any] = {"refId": "A", "datasource": _source(store), "rawSql": panel.statement(store)}
    if store == POSTGRES:
        return target | {"rawQuery": True, "editorMode": "code", "format": "time_series" if series else "table"}
    kind = "timeseries" if series else "table"
    return target | {"editorType": "sql", "format": 0 if series else 1, "queryType": kind}


def rendered() -> dict[Path, str]:
    """File → what belongs into it."""
    boards = {f"ledger-{store}": dashboard(store) for store in (CLICKHOUSE, POSTGRES)}
    boards["health"] = health_dashboard.dashboard()
    return {FOLDER / f"{name}.json": json.dumps(board, indent=2) + "\n" for name, board in boards.items()}


def main(arguments: list[str]) -> int:
    files = rendered()
    if "--check" in arguments:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
        for path in stale:
            print(f"{path} is not current: run python helm/make_dashboards.py", file=sys.stderr)
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
