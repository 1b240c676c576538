"""Settings of the `api` extension."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spanledger.access.settings import AuthSettings
from spanledger.settings import Endpoint, Settings


class ApiSettings(Settings):
    """Extension `api`: reads runs over HTTP."""

    endpoint: Endpoint = "127.0.0.1:3333"
    """Where to listen."""
    auth: AuthSettings | None = None
    """Who may read. Left out: those with a private key where `service::extensions` names a `projects`, else everyone
    who reaches it."""
    project: str = Field(default="default", min_length=1)
    """Project whose runs are shown where nobody is asked for a key; else the key decides."""
    exporter: str | None = None
    """Id of the exporter whose store is read. Left out: the first one that keeps runs where they can be read."""
    shape: Literal["ledger", "lunary"] = "ledger"
    """How runs are answered to whom names no `shape`: `ledger` as docs/run-model.md describes them, with Lunary's
    fields beside; `lunary` for clients of Lunary's API that read the cost as a number."""
    max_request_body_size: int = Field(default=20 * 1024 * 1024, ge=1024)
    """Bytes of a request's body, decompressed."""
