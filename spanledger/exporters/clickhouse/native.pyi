from collections.abc import Sequence
from typing import Any

def writes(types: Sequence[str]) -> bool:
    """Whether `block` knows all these types."""

def block(names: Sequence[str], types: Sequence[str], columns: Sequence[list[Any]]) -> bytes:
    """A block of the Native format: what the driver would write for these columns. `types` are ClickHouse's names of
    the types that `spanledger.exporters.clickhouse.columns` uses. Raises `TypeError`, `ValueError` or `OverflowError`
    for values that are not of their type."""
