"""Every test here is one of faults: `make faults`, in full with SPANLEDGER_FAULTS=full."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.faults.store import Database, Store
from tests.faults.system import FULL, System

_HERE = Path(__file__).parent
# What gRPC does in a forked child breaks it while other threads use gRPC; the children here only start programs.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)
            if FULL and item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(1800))
            else:
                item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store"))
    store.start()
    yield store
    if store.runs:
        store.kill()


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """A store that runs; after the test it runs again."""
    yield shared_store
    if not shared_store.runs:
        shared_store.start()


@pytest.fixture
def database(store: Store) -> Database:
    return store.database()


NewSystem: TypeAlias = Callable[..., System]


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[NewSystem]:
    """Makes a `System` of exporters (name → settings)."""
    made: list[System] = []

    def new(exporters: dict[str, dict[str, Any]], log: Path | None = None) -> System:
        made.append(System(tmp_path, exporters, log))
        return made[-1]

    yield new
    for system in made:
        system.close()
