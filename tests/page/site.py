"""A spanledger full of recordings, for a browser to look at."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.serving import serving
from tests.cli.test_serve import address_of, until

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "corpus"
MORE_RECORDINGS = ROOT.parent / "shared" / "corpus"
"""Larger, and not part of the repository: a case of each library is taken where it is there."""
_TYPES = {".pb": "application/x-protobuf", ".json": "application/json"}


@dataclass(frozen=True)
class Site:
    """Where it listens."""

    url: str
    """Of the page, without a slash at the end."""
    otlp: str

    def send(self, signal: str, body: bytes, content_type: str = "application/json") -> None:
        """Send a request and have it acknowledged."""
        request = urllib.request.Request(f"{self.otlp}/v1/{signal}", body, {"Content-Type": content_type})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    def send_spans(self, *spans: Mapping[str, Any]) -> None:
        """Send spans made by `span` and wait until the last of them can be read."""
        self.send("traces", json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode())
        until(lambda: self.runs(trace=str(spans[-1]["traceId"])))

    def send_feedback(self, run_id: str, feedback: Mapping[str, str]) -> None:
        """Say what a user thought, and wait until it can be read."""
        body = json.dumps(feedback).encode()
        url = f"{self.url}/v1/runs/{run_id}/feedback"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PATCH")):
            pass

        def given() -> Any:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)

        until(given)

    def runs(self, key: str = "", **filters: str) -> list[dict[str, Any]]:
        """What the API lists; `key`: where it asks for one."""
        query = urllib.parse.urlencode(filters)
        request = urllib.request.Request(f"{self.url}/v1/runs?{query}", headers={"X-Api-Key": key} if key else {})
        try:
            with urllib.request.urlopen(request) as answer:
                data: list[dict[str, Any]] = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code != 503:  # a store that is busy is asked again
                raise
            return []
        return data


@contextmanager
def site(folder: Path, *sets: str, arguments: tuple[str, ...] = ()) -> Iterator[Site]:
    """A running spanledger, its ledger empty unless the settings name a full one."""
    with serving(folder, *sets, arguments=arguments) as process:
        yield Site(f"http://{address_of(process, 'api')}", f"http://{address_of(process, 'otlp over HTTP')}")


def fill(site: Site) -> None:
    """Send every recording; it can be read when this returns."""
    folders = [*RECORDINGS.iterdir(), *(min(library.iterdir()) for library in MORE_RECORDINGS.glob("*/*/"))]

    def send(folder: Path) -> None:
        for file in sorted(folder.iterdir()):
            signal = file.name.partition("-")[0]
            if signal in ("traces", "logs") and file.suffix in _TYPES:
                site.send(signal, file.read_bytes(), _TYPES[file.suffix])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, (folder for folder in folders if folder.is_dir())))
    # What was acknowledged is written in order, so the last one tells of all.
    site.send_spans(
        span("f" * 32, "f" * 16, "last of all", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "last"})
    )


def span(
    trace_id: str,
    span_id: str,
    name: str,
    attributes: Mapping[str, Any],
    *,
    parent: str = "",
    start_ms: int = 1_772_359_200_000,
    duration_ms: int = 1000,
    **more: Any,
) -> dict[str, Any]:
    """A span as OTLP/JSON; texts, numbers and lists of texts as attributes."""
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(start_ms * 1_000_000),
        "endTimeUnixNano": str((start_ms + duration_ms) * 1_000_000),
        "attributes": [{"key": key, "value": _value(value)} for key, value in attributes.items()],
        **more,
    }


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value)}
