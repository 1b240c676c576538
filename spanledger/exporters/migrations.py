"""Numbered, forward-only migrations, the same rules for every store.

A migration is what its statements are: its checksum is noted in the store's `schema_migrations` when it has run, and
compared at every start. A store that a newer program has migrated is refused, and so is one whose migrations are not
this program's. What a store has to bring of its own is the lock (two processes that start together must not migrate at
the same time) and, where it has them, a transaction around each migration.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.errors import SchemaError

TABLE: Final = "schema_migrations"
"""Of every store: revision, name, checksum, applied_at."""

_COLUMN_COMMENT: Final = re.compile(r" COMMENT '(?:[^'\\]|\\.|'')*'")
_STATEMENT_COMMENT: Final = re.compile(r"\s*COMMENT ON ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. The statements may have placeholders, such as `{database}`, which the store fills in
    from its settings when it runs them; they are not part of the checksum."""

    revision: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """Of everything that changes what the tables hold; comments may be corrected later."""
        lasting = [text for text in self.statements if not _STATEMENT_COMMENT.match(text)]
        text = "\n;\n".join(_COLUMN_COMMENT.sub("", statement) for statement in lasting)
        return hashlib.sha256(text.encode()).hexdigest()


def pending(migrations: Sequence[Migration], applied: Mapping[int, str], where: str) -> list[Migration]:
    """Those of `migrations` that a store has not seen; `applied` holds the checksums of those that it has, by revision,
    `where` names the store for the error.

    Raises `SchemaError` when the store is newer than this program, or when a migration that it has seen was another
    one.
    """
    known = migrations[-1].revision
    newest = max(applied, default=0)
    if newest > known:
        raise SchemaError(
            f"{where} has schema revision {newest}, this program knows {known}: "
            "a newer spanledger wrote it, use that version or a newer one"
        )
    for migration in migrations:
        seen = applied.get(migration.revision)
        if seen is not None and seen != migration.checksum:
            raise SchemaError(
                f"{where}: migration {migration.revision} ({migration.name}) is not the one that "
                "was applied; the database belongs to another build of spanledger"
            )
    return [migration for migration in migrations if migration.revision not in applied]


def require_none(todo: Sequence[Migration], where: str) -> None:
    """Raise `SchemaError` when something is pending: for stores with `auto_migrate: false`."""
    if todo:
        raise SchemaError(
            f"{where} lacks migration {todo[0].revision} ({todo[0].name}) and auto_migrate is off: "
            "run `spanledger migrate`, or switch it on for one start"
        )
