"""The table of docs/metrics.md, made from the declarations.

`python -m spanledger.telemetry.metrics.document docs/metrics.md` rewrites it in the file; a test holds both equal.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from spanledger.telemetry.metrics.declarations import METRICS, Metric

_BLOCK: Final = re.compile(r"(<!-- metrics: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(prefix: str) -> str:
    """One row for each metric whose name begins so."""
    lines = ["| metric | type | unit | labels | level | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(_row(metric))} |" for name, metric in METRICS.items() if name.startswith(prefix)]
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"`{metric.shown}`", metric.kind, f"`{metric.unit}`", labels, metric.level, metric.meaning


def rewrite(text: str) -> str:
    """The document with its tables as they are now."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{table(match[2])}\n{match[3]}", text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(rewrite(document.read_text(encoding="utf-8")), encoding="utf-8")
