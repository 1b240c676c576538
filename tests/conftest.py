"""Fixtures for all tests. Each is named where it is defined."""

from tests.exporters.ledger import engine, ledger, settings

__all__ = ["engine", "ledger", "settings"]
