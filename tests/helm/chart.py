"""The chart as Helm renders it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "spanledger"
TOOLS = Path(os.environ.get("SPANLEDGER_TEST_KUBERNETES", ROOT / ".cache" / "peers" / "kubernetes"))
SHAPES = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
"""Main ways to install it, each a file of values in ci/."""
NAMESPACE = "telemetry"
OLDEST_KUBERNETES = "1.30.0"
"""What templates are rendered for. Helm as Go installs it would take 1.20 where no cluster is asked."""

Manifest: TypeAlias = dict[str, Any]


def tool(name: str) -> Path:
    """A program of `tests/peers/kubernetes/build.sh`, else of the PATH. Skips the test where there is none, fails it
    where SPANLEDGER_REQUIRE_PEERS promises a full machine."""
    built = TOOLS / name
    found = built if built.exists() else shutil.which(name)
    if found is not None:
        return Path(found)
    reason = f"no {name}: run tests/peers/kubernetes/build.sh"
    if os.environ.get("SPANLEDGER_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def values_of(shape: str) -> Path:
    """Its file of values."""
    return CHART / "ci" / f"{shape}-values.yaml"


@dataclass(frozen=True)
class Answer:
    """What a program said."""

    status: int
    output: str
    error: str


def helm(*arguments: str | Path, environment: dict[str, str] | None = None) -> Answer:
    """Run Helm, without the user's own repositories and settings."""
    done = subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def template(shape: str | None, values: Manifest | None = None) -> Answer:
    """`helm template` with the values of a shape and more of one's own."""
    files = ["--values", str(values_of(shape))] if shape else []
    sets = [item for key, value in (values or {}).items() for item in ("--set-json", f"{key}={json.dumps(value)}")]
    return helm("template", "demo", CHART, "--namespace", NAMESPACE, "--kube-version", OLDEST_KUBERNETES, *files, *sets)


@dataclass(frozen=True)
class Rendered:
    """Every object of a rendered chart."""

    objects: tuple[Manifest, ...]

    def of(self, kind: str) -> tuple[Manifest, ...]:
        return tuple(one for one in self.objects if one["kind"] == kind)

    def one(self, kind: str, name: str | None = None) -> Manifest:
        """The only object of its kind, or the one with this name."""
        (found,) = (one for one in self.of(kind) if name in (None, one["metadata"]["name"]))
        return found

    def workload(self) -> Manifest:
        """What runs spanledger."""
        (found,) = (
            one for kind in ("StatefulSet", "Deployment") for one in self.of(kind) if "-trial-" not in name(one)
        )
        return found

    def pod(self) -> Manifest:
        """Spec of its pods."""
        spec: Manifest = self.workload()["spec"]["template"]["spec"]
        return spec

    def container(self) -> Manifest:
        """Its own container."""
        found: Manifest
        (found,) = (one for one in self.pod()["containers"] if one["name"] == "spanledger")
        return found

    def config(self) -> Manifest:
        """The configuration that its pods read."""
        (mounted,) = (one["configMap"]["name"] for one in self.pod()["volumes"] if one["name"] == "config")
        config: Manifest = yaml.safe_load(self.one("ConfigMap", mounted)["data"]["config.yaml"])
        return config

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Every pod that these objects make: of what, and its spec."""
        for one in self.objects:
            if one["kind"] == "Pod":
                yield f"Pod/{name(one)}", one["spec"]
            elif "template" in one.get("spec", {}):
                yield f"{one['kind']}/{name(one)}", one["spec"]["template"]["spec"]


def name(one: Manifest) -> str:
    """Name of an object."""
    found: str = one["metadata"]["name"]
    return found


def render(shape: str | None = None, **values: Any) -> Rendered:
    """Objects of a shape, with more values: `store__type="none"` is store.type."""
    return _render(shape, json.dumps({key.replace("__", "."): value for key, value in values.items()}))


@functools.lru_cache(maxsize=64)
def _render(shape: str | None, values: str) -> Rendered:
    answer = template(shape, json.loads(values))
    assert answer.status == 0, answer.error
    return Rendered(tuple(one for one in yaml.safe_load_all(answer.output) if one))


def refusal(shape: str | None = None, **values: Any) -> str:
    """What Helm says of values that it must refuse."""
    answer = template(shape, {key.replace("__", "."): value for key, value in values.items()})
    assert answer.status != 0, answer.output
    return answer.error
