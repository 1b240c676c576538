from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.api.parameters import parse_time
from spanledger.exporters.store import Cursor
from spanledger.model.records import rfc3339

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01 00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.5Z", SECOND // 2),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T22:30:01-01:30", SECOND),
        ("2000-02-29T00:00:00Z", 951_782_400 * SECOND),
        ("1900-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 2**63 - 1),
    ],
)
def test_times_are_nanoseconds_since_the_epoch(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@given(st.integers(0, 2**63 - 1))
def test_times_of_the_api_can_be_given_back(nanoseconds: int) -> None:
    assert parse_time(rfc3339(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T10:00:00",
        "2026-03-01T24:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-03-01T10:00:00.0123456789Z",
        "٢٠٢٦-03-01T10:00:00Z",
        "2026-03-01T10:00:00Z\n",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@given(st.integers(0, 2**63 - 1), st.uuids().map(str))
def test_cursors_survive_a_url(started_at: int, run_id: str) -> None:
    cursor = Cursor(started_at, run_id)

    assert Cursor.decode(cursor.encode()) == cursor
    assert set(cursor.encode()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
