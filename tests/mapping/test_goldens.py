"""What real SDKs sent, at least one recording of each dialect, and the records that it makes: read them as
documentation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from spanledger.mapping.dialects import DIALECTS
from spanledger.mapping.dialects.base import Dialect
from spanledger.model.keys import KeyTable
from spanledger.model.received import Encoding, Signal
from spanledger.model.span import LogRecord, Span
from spanledger.receiver.wire import decode
from tests.mapping.goldens import EXPECTED, kept_cases, records_of
from tests.mapping.recordings import KEPT, case_files

AS_RECEIVED = KeyTable(span_type=Span, keys={}, prefixes=())


@pytest.mark.parametrize("case", kept_cases(), ids=lambda case: case.name)
def test_the_records_of_a_recording(case: Path) -> None:
    expected = json.loads((case / EXPECTED).read_text())
    assert records_of(case) == expected, "if this is meant: python -m tests.mapping.goldens"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.code)
def test_a_dialect_has_a_golden(dialect: Dialect) -> None:
    """A dialect's name stands in the records. CrewAI's spans of its own use leave none, and names that many choose
    are nobody's: those two are told by what was received."""
    assert dialect.code in told_by_records() or is_received(dialect), f"add a recording of {dialect.title}, see README"


def test_the_readme_names_every_folder() -> None:
    readme = (KEPT / "README.md").read_text()
    assert [case.name for case in kept_cases() if f"`{case.name}`" not in readme] == []


@cache
def told_by_records() -> frozenset[str]:
    records = [record for case in kept_cases() for record in json.loads((case / EXPECTED).read_text())]
    return frozenset(code for record in records for code in record.get("dialects", ()))


@cache
def received() -> tuple[frozenset[str], frozenset[str]]:
    """Scopes and attribute keys of all kept payloads."""
    scopes: set[str] = set()
    keys: set[str] = set()
    for path in (path for case in kept_cases() for path in case_files(case)):
        if path.name.startswith("ingest"):
            continue
        encoding = Encoding.JSON if path.suffix == ".json" else Encoding.PROTOBUF
        for item in decode(Signal(path.name.split("-")[0]), encoding, path.read_bytes(), AS_RECEIVED).items:
            if isinstance(item, Span | LogRecord):
                scopes.add(item.scope.name)
                keys.update(item.rest if isinstance(item, Span) else item.attributes)
    return frozenset(scopes), frozenset(keys)


def is_received(dialect: Dialect) -> bool:
    scopes, keys = received()
    if dialect.code == "generic":
        return not keys.isdisjoint(dialect.keys)
    return dialect.code == "crewai" and any(scope.startswith(dialect.scopes) for scope in scopes)
