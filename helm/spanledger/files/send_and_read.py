"""What `helm test` runs: send one span through the service, and read its run back where the API is reachable."""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

DEADLINE = 60.0
"""Seconds until the run must be readable."""


def ask(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """GET, or POST of JSON. Status and body, also of refusals."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if key := os.environ.get("SPANLEDGER_KEY"):
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def span(trace_id: str) -> bytes:
    """A model call that costs nothing."""
    now = time.time_ns()
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "helm-test"}
    one = {
        "traceId": trace_id,
        "spanId": secrets.token_hex(8),
        "name": "chat helm-test",
        "kind": 3,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}).encode()


def main() -> int:
    trace_id = secrets.token_hex(16)
    status, answer = ask(f"{os.environ['OTLP_URL']}/v1/traces", span(trace_id))
    print("sent a span:", status, answer.decode(errors="replace"))
    if status != 200:
        return 1
    api = os.environ.get("API_URL")
    if api is None:
        print("The API is not reachable through the service, so the run is not read back.")
        return 0
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        status, answer = ask(f"{api}/v1/runs?trace={trace_id}")
        if status == 200 and b"helm-test" in answer:
            print("read its run")
            return 0
        time.sleep(0.2)
    print("no run:", status, answer.decode(errors="replace"))
    return 1


sys.exit(main())
