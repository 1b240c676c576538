"""Records into rows, as far as every store does it alike: one record that cannot be stored holds up no other, and what
was repaired in a run becomes a warning of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from spanledger.exporters.base import Rejection
from spanledger.model.records import Record, Run

Encoded = TypeVar("Encoded")


def encodable(
    encode: Callable[[Sequence[Record]], Encoded],
    records: Sequence[Record],
    indexes: list[int],
    rejected: list[Rejection],
) -> tuple[Encoded, list[int]]:
    """(the records at `indexes` encoded, the indexes that are in it); a rejection is added for each of the others."""
    try:
        return encode([records[index] for index in indexes]), indexes
    except Exception:
        good = []
        for index in indexes:
            try:
                encode([records[index]])
            except Exception as error:  # whatever is wrong with it, one record must not hold up the others
                rejected.append(Rejection(index, f"cannot be stored: {str(error) or type(error).__name__}"))
            else:
                good.append(index)
        return encode([records[index] for index in good]), good


def warned(record: Record, warnings: list[str]) -> Record:
    """A run with more warnings, each once."""
    if not warnings or not isinstance(record, Run):
        return record
    return msgspec.structs.replace(
        record, warnings=[*record.warnings, *(w for w in warnings if w not in record.warnings)]
    )
