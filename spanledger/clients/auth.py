"""Credentials that exporters send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pydantic import Field

from spanledger.settings import Settings

Credentials: TypeAlias = Callable[[], Mapping[str, str]]
"""Headers of the next request. They may be others than those of the one before."""


class ClientAuthSettings(Settings):
    """Which credentials to send."""

    authenticator: str = Field(min_length=1)
    """Id of the extension that has them: `bearertokenauth`, or `basicauth` with `client_auth`. It must also stand in
    `service::extensions`."""


def no_credentials() -> Mapping[str, str]:
    """For exporters without `auth`."""
    return {}
