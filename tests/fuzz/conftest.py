"""Ledgers in both stores, for what is asked of the API."""

from tests.stores.ledger import store_kind, stored
from tests.stores.postgres import postgres, postgres_settings

__all__ = ["postgres", "postgres_settings", "store_kind", "stored"]
