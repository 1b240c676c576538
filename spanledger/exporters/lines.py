"""Records as lines of JSON, as `spanledger map` prints them."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.exporters.base import Rejection
from spanledger.exporters.text import encode_json
from spanledger.model.records import Record, to_dict


def json_lines(records: Sequence[Record]) -> tuple[list[bytes], list[Rejection]]:
    """(one line a record, each with its line end; records that JSON cannot hold)."""
    lines: list[bytes] = []
    rejected: list[Rejection] = []
    for index, record in enumerate(records):
        try:
            lines.append(encode_json(to_dict(record))[0] + b"\n")
        except Exception as error:  # whatever is wrong with it, one record must not hold up the others
            rejected.append(Rejection(index, f"cannot be written as JSON: {str(error) or type(error).__name__}"))
    return lines, rejected
