"""Settings of the `api` extension."""

from __future__ import annotations

from pydantic import Field

from spanledger.settings import Endpoint, Settings


class ApiSettings(Settings):
    """Extension `api`: reads runs over HTTP."""

    endpoint: Endpoint = "127.0.0.1:3333"
    """Where to listen. There are no keys yet: who reaches it reads everything."""
    project: str = Field(default="default", min_length=1)
    """Project whose runs are shown."""
    exporter: str | None = None
    """Id of the exporter whose store is read. Left out: the first one that keeps runs where they can be read."""
