"""Fixtures for all tests. Each is named where it is defined."""

import hypothesis
import pytest

from tests.exporters.ledger import engine, ledger, settings, shared_engine

__all__ = ["engine", "ledger", "settings", "shared_engine"]

# Property tests here find wrong answers, not slow ones: the machine decides how long an example takes.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are no names for tests: unreadable, and compressed ones hold the time at which they were made, so that
    two workers would not agree on what they run."""
    return argname if isinstance(val, bytes) else None
