"""Credentials that exporters send: what an extension puts into the headers of every request."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

from pydantic import Field

from spanledger.settings import Settings


class ClientAuthSettings(Settings):
    """Which credentials to send."""

    authenticator: str = Field(min_length=1)
    """Id of the extension that has them: `oauth2client`, `headers_setter`, `bearertokenauth`, or `basicauth` with
    `client_auth`. It must also stand in `service::extensions`."""


class Credentials:
    """What is put into the headers of requests. This one puts nothing."""

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        """Change the headers of the next request, which are those of the exporter's settings; names in any case are the
        same. `context` is of what the request passes on: the part that `context_keys` name. Raises
        `CredentialsUnavailable` when none can be had now, `PayloadError` when none can be had for this context."""

    @property
    def context_keys(self) -> frozenset[str]:
        """Keys of the context (`spanledger.model.context`) that `put` looks at: what differs in them goes in requests
        of their own."""
        return frozenset()

    def turned_down(self) -> None:
        """The destination did not take what was put last: get others, where there can be others."""


class Borrowed(Credentials):
    """Those of an extension that is there by the time they are needed."""

    def __init__(self, find: Callable[[], Credentials]) -> None:
        self._find = find

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        await self._find().put(headers, context)

    @property
    def context_keys(self) -> frozenset[str]:
        return self._find().context_keys

    def turned_down(self) -> None:
        self._find().turned_down()
