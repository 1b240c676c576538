"""docs/columns.md: every column of the ledger, from where it is declared (`spanledger.exporters.schema`).

`python -m spanledger.exporters.reference > docs/columns.md` writes it; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spanledger.exporters.clickhouse import columns as clickhouse
from spanledger.exporters.postgres import columns as postgres
from spanledger.exporters.schema import TABLES, Column, Table

_HEAD: Final = """\
# Columns of the ledger

Every column of every table, in ClickHouse and in PostgreSQL, and the field that it holds of the record in
[run-model.md](run-model.md) and in the API's answers. What stands where and for how long: [stores.md](stores.md),
[postgres.md](postgres.md). Made from the schema by `python -m spanledger.exporters.reference > docs/columns.md`.

Unknown is `NULL`. In ClickHouse texts and contents are never `NULL`: `''` stands for it, unless the row's `blank` names
the column. Times are nanoseconds; in PostgreSQL as numbers since the Unix epoch. Amounts of money are whole numbers of
1e-12 USD. Each table has `ingested_at` besides, in ClickHouse also `blank` and `is_deleted`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for table in TABLES for line in _table(table))])


def _table(table: Table) -> Iterator[str]:
    yield f"## `{table.name}`"
    yield ""
    yield "| Column | Meaning | Field | ClickHouse | PostgreSQL |"
    yield "| --- | --- | --- | --- | --- |"
    for column in table.columns:
        cells = (
            f"`{column.name}`",
            column.doc,
            f"`{column.path}`" if column.path else "",
            f"`{clickhouse.type_name(column)}`",
            f"`{_postgres(column)}`",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _postgres(column: Column) -> str:
    name = postgres.type_name(column).removesuffix(' COLLATE "C"')
    return name if column.optional else f"{name} NOT NULL"


if __name__ == "__main__":
    print(page(), end="")
