"""Who own telemetry comes from."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from spanledger._version import __version__

_INSTANCE: Final = str(uuid.uuid4())


def resource_attributes(settings: Mapping[str, str | None]) -> dict[str, str]:
    """The resource of own telemetry: what the settings say over what is known; null takes away."""
    found = {"service.name": "spanledger", "service.version": __version__, "service.instance.id": _INSTANCE, **settings}
    return {name: value for name, value in found.items() if value is not None}
