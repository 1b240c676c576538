"""Arrows between packages point one way (docs/architecture.md). Each package may import what its line lists."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import spanledger

ROOT = Path(spanledger.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "model": {"errors"},
    "errors": set(),
    "compiled": set(),
    "_version": set(),
    "tracing": set(),
    "settings": {"errors"},
    "clients": {"model", "errors", "settings"},
    "mapping": {"model", "errors", "compiled"},
    "access": {"clients", "errors", "settings"},
    "processors": {"model", "errors", "settings", "receiver.wire"},
    "receiver": {"clients", "model", "errors", "settings", "access", "tracing", "_version"},
    "exporters": {"clients", "model", "errors", "settings", "_version"},
    "pipeline": {"model", "errors", "settings", "tracing", "mapping", "exporters.base", "exporters.raw"},
    "api": {"model", "errors", "settings", "access", "exporters", "_version"},
    "telemetry": {
        *("model", "errors", "settings", "tracing", "_version"),
        *("pipeline.status", "processors.counts", "receiver.admission", "receiver.traffic"),
    },
    "config": {
        *("model", "errors", "settings", "telemetry", "access", "processors"),
        *("receiver", "mapping", "pipeline", "exporters", "api", "clients"),
    },
}
"""What is not listed (`service`, `offline`, `cli`, `commands`, the package itself) stands on top and may import all."""


def modules_of(package: str) -> list[Path]:
    path = ROOT / package
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, name below `spanledger`) of each import of our own, wherever it stands in the file."""
    package = ["spanledger", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "spanledger" else [module]
        else:
            continue
        for name in names:
            if name.startswith("spanledger."):
                yield node.lineno, name.removeprefix("spanledger.")


def allowed(name: str, package: str) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in {package, *MAY_IMPORT[package]})


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports spanledger.{name}"
        for path in modules_of(package)
        for line, name in imports(path)
        if not allowed(name, package)
    ]
    assert wrong == []


def test_every_package_has_its_place() -> None:
    on_top = {
        "service",
        "process",
        "forks",
        "components",
        "offline",
        "reprice",
        "resolve",
        "joining",
        "maintenance",
        "cli",
        "commands",
        "workers",
        "__init__",
        "__main__",
    }
    found = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found - on_top == set(MAY_IMPORT)


def test_no_arrows_make_a_circle() -> None:
    def below(package: str) -> set[str]:
        direct = {name.split(".")[0] for name in MAY_IMPORT[package]}
        return direct.union(*(below(name) for name in direct))

    assert [package for package in MAY_IMPORT if package in below(package)] == []
