"""Fixtures of the tests of all stores. Each is named where it is defined."""

from tests.stores.ledger import both, store_kind, stored
from tests.stores.postgres import postgres, postgres_settings

__all__ = ["both", "postgres", "postgres_settings", "store_kind", "stored"]
