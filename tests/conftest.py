"""Fixtures for all tests. Each is named where it is defined."""

import pytest

from tests.exporters.ledger import engine, ledger, settings

__all__ = ["engine", "ledger", "settings"]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are no names for tests: unreadable, and compressed ones hold the time at which they were made, so that
    two workers would not agree on what they run."""
    return argname if isinstance(val, bytes) else None
