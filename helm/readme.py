"""Write the chart's README from the comments of values.yaml: `python helm/readme.py`.

The comment above a value is what its table says of it; `## Title` begins a section. A value whose parts have comments
of their own is a row for each part. What has a value and no comment is an error.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

CHART = Path(__file__).parent / "spanledger"

INTRODUCTION = """\
# Helm chart `spanledger`

Written by `python helm/readme.py` from `values.yaml`; change that. [docs/kubernetes.md](../../docs/kubernetes.md) tells
which values a task needs, how to upgrade, and what to watch.

```sh
helm install spanledger ./helm/spanledger --set store.type=clickhouse \\
  --set store.clickhouse.endpoint=https://clickhouse.example.com:8443 \\
  --set store.clickhouse.existingSecret.name=clickhouse-user
```

Values that the chart does not know, and values that do not go together, are refused with the reason. Examples, all of
which are tested, stand in `ci/`.
"""


@dataclass(frozen=True)
class Value:
    """A row of a table."""

    key: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """A table and its title."""

    title: str
    values: tuple[Value, ...]


class UndocumentedValue(Exception):
    """A value without a comment."""


def sections(text: str) -> list[Section]:
    """What values.yaml documents, in its order. Raises `UndocumentedValue`."""
    lines = text.splitlines()
    root = cast("yaml.MappingNode", yaml.compose(text))
    titles = {number: line.removeprefix("## ") for number, line in enumerate(lines) if line.startswith("## ")}
    rows = list(_rows(root, yaml.safe_load(text), "", lines))
    starts = [*titles, len(lines)]
    return [
        Section(titles[start], tuple(row for number, row in rows if start < number < end))
        for start, end in itertools.pairwise(starts)
    ]


def _rows(node: yaml.MappingNode, values: dict[str, Any], prefix: str, lines: list[str]) -> Iterator[tuple[int, Value]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        meaning = _comment(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not meaning:
            yield from _rows(value, values[key.value], f"{name}.", lines)
        elif meaning:
            default = json.dumps(values[key.value], ensure_ascii=False)
            yield key.start_mark.line, Value(name, default, meaning)
        else:
            raise UndocumentedValue(f"values.yaml:{key.start_mark.line + 1}: {name} has no comment above it")


def _comment(lines: list[str], line: int) -> str:
    """The block of comment lines right above a line, as one."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        stripped = above.strip()
        if not stripped.startswith("#") or stripped.startswith("##"):
            break
        found.append(stripped.removeprefix("#").strip())
    return " ".join(reversed(found))


def readme(text: str) -> str:
    """The README of a chart with these values."""
    parts = [INTRODUCTION]
    for section in sections(text):
        rows = [f"| `{value.key}` | `{value.default}` | {value.meaning} |" for value in section.values]
        head = [f"## {section.title}", "", "| value | default | meaning |", "| --- | --- | --- |"]
        parts.append("\n".join([*head, *rows, ""]))
    return "\n".join(parts)


def main() -> int:
    (CHART / "README.md").write_text(readme((CHART / "values.yaml").read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
