"""PostgreSQL as the store of a test of faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.stores.postgres import Server


@dataclass(frozen=True)
class PostgresDatabase:
    """What one test has written; as `tests.faults.store.Database`."""

    server: Server
    name: str

    def exporter(self, port: int | None = None) -> dict[str, Any]:
        """Settings of an exporter, over a proxy's port where one is given."""
        return {
            "endpoint": f"postgresql://127.0.0.1:{port or self.server.port}",
            "database": self.name,
            "timeout": "2s",
            "connect_timeout": "2s",
            "retry_on_failure": {"initial_interval": "50ms", "max_interval": "500ms"},
        }

    async def runs(self) -> dict[str, tuple[int, int]]:
        """Span id → (how often it is there, sum of its input tokens); empty before there are tables."""
        sql = "SELECT span_id, count(*), sum(input_tokens) FROM spanledger.runs GROUP BY span_id"
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.server.port, user="postgres", database=self.name
            )
        except (OSError, asyncpg.PostgresError):
            return {}
        try:
            return {row[0]: (int(row[1]), int(row[2])) for row in await connection.fetch(sql)}
        except asyncpg.UndefinedTableError:
            return {}
        finally:
            await connection.close()
