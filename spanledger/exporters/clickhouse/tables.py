"""Names of the ledger's tables in statements: on one server, or on every server of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.schema import Table


def identifier(name: str) -> str:
    """A quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """A quoted string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True, slots=True)
class Tables:
    """Of one database. In a cluster each server holds a part of the rows in `<name>_local`, and `<name>` is the whole
    (a Distributed table): everybody reads and writes there, only what changes tables or rows in place goes to the
    parts."""

    database: str
    cluster: str | None = None

    @staticmethod
    def of(settings: ClickHouseSettings) -> Tables:
        """As the settings say."""
        return Tables(settings.database, settings.cluster)

    @property
    def on_cluster(self) -> str:
        """Behind the name in DDL."""
        return f" ON CLUSTER {identifier(self.cluster)}" if self.cluster else ""

    def named(self, name: str) -> str:
        """A quoted, qualified name."""
        return f"{identifier(self.database)}.{identifier(name)}"

    def read(self, table: Table) -> str:
        """All rows, for a SELECT."""
        return self.named(table.name)

    def write(self, table: Table) -> str:
        """For an INSERT."""
        return self.named(table.name)

    def part(self, name: str) -> str:
        """The table that holds rows, on each server."""
        return self.named(f"{name}_local" if self.cluster else name)

    def alter(self, table: Table) -> str:
        """Beginning of an ALTER TABLE."""
        return f"ALTER TABLE {self.part(table.name)}{self.on_cluster}"
