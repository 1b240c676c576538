"""What is written about the chart's values is what they are. Needs no Helm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from helm.readme import UndocumentedValue, readme, sections
from tests.helm.chart import CHART, ROOT, SHAPES, values_of

VALUES = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def test_the_readme_is_that_of_the_values() -> None:
    assert (CHART / "README.md").read_text() == readme(VALUES), "run: python helm/readme.py"


def test_a_comment_becomes_a_row_and_parts_rows_of_their_own() -> None:
    text = "## First\n\n# Of two\n# lines.\none: {}\ntwo:\n  # A part.\n  part: [1]\n## Second\n# None.\nthree:\n"

    found = {
        (section.title, row.key): (row.default, row.meaning) for section in sections(text) for row in section.values
    }

    assert found == {
        ("First", "one"): ("{}", "Of two lines."),
        ("First", "two.part"): ("[1]", "A part."),
        ("Second", "three"): ("null", "None."),
    }


def test_a_value_without_a_comment_is_told_with_its_line() -> None:
    with pytest.raises(UndocumentedValue, match=r"values\.yaml:3: store\.type has no comment"):
        readme("## Store\nstore:\n  type: none\n")


def test_the_schema_knows_every_value_and_no_other() -> None:
    defaults = yaml.safe_load(VALUES)
    known = set(_leaves(SCHEMA))
    documented = {row.key for section in sections(VALUES) for row in section.values}

    assert [key for key in documented if not _known(key, known)] == []
    # Helm sets `global` by itself. A closed object below a documented value tells of keys that its default lacks.
    assert [key for key in known if key != "global" and not _present(key, defaults, documented)] == []


def test_the_page_builds_the_images_that_the_chart_asks_for() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    targets = set(re.findall(r"^FROM \S+ AS (spanledger\S*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    built = dict(re.findall(r"docker build --target (\S+) -t \S+/spanledger:(\S+)", page))
    assert built == {"spanledger": version, "spanledger-embedded": f"{version}-embedded"}
    assert set(built) == targets


@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_ci_say_what_they_are_for(shape: str) -> None:
    assert values_of(shape).read_text().startswith("# ")


def _leaves(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    if reference := schema.get("$ref"):
        schema = SCHEMA["definitions"][reference.rpartition("/")[2]]
    properties = schema.get("properties", {}) if schema.get("additionalProperties") is False else {}
    for key, value in properties.items():
        yield from _leaves(value, f"{prefix}{key}.")
    if not properties:
        yield prefix.removesuffix(".")


def _known(key: str, known: set[str]) -> bool:
    return any(one == key or one.startswith(f"{key}.") for one in known)


def _present(key: str, defaults: Any, documented: set[str]) -> bool:
    at = defaults
    for number, part in enumerate(key.split("."), 1):
        if ".".join(key.split(".")[: number - 1]) in documented:
            return True
        if part not in at:
            return False
        at = at[part]
    return True
