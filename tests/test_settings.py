from __future__ import annotations

import pytest

from spanledger.settings import format_duration, parse_duration, split_endpoint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("5s", 5.0), ("1.5h", 5400.0), ("2h45m", 9900.0), ("0", 0.0), ("-1s", -1.0), ("10us", 1e-5)],
)
def test_durations_are_written_as_in_go(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "1h30", "five", "1d"])
def test_a_duration_needs_a_unit_that_go_knows(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration with a unit"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.2, "200ms"), (5400, "1h30m"), (90.5, "1m30s500ms")])
def test_durations_are_printed_as_in_go(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("endpoint", "host_and_port"),
    [("0.0.0.0:4317", ("0.0.0.0", 4317)), ("[::1]:4318", ("::1", 4318)), (":0", ("", 0)), ("db:1", ("db", 1))],
)
def test_endpoints(endpoint: str, host_and_port: tuple[str, int]) -> None:
    assert split_endpoint(endpoint) == host_and_port


@pytest.mark.parametrize("endpoint", ["4317", "::1:4317", "host:", "host:70000", "http://host:80", "[::1:80"])
def test_an_endpoint_is_host_and_port(endpoint: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        split_endpoint(endpoint)
