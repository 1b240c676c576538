"""The extension `headers_setter`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from spanledger.clients.headers_setter import HeadersSetter, HeadersSetterSettings
from spanledger.errors import ConfigError, PayloadError
from spanledger.model.context import RequestContext
from tests.clients.token_server import serving


def setter(*headers: dict[str, Any], **keys: Any) -> HeadersSetter:
    return HeadersSetter(HeadersSetterSettings.model_validate({"headers": headers, **keys}))


async def put(extension: HeadersSetter, context: str = "", **given: str) -> dict[str, str]:
    headers = CIMultiDict(given)
    await extension.put(headers, context)
    return dict(headers)


def came_with(extension: HeadersSetter, **context: Any) -> str:
    """What of a request's context the log keeps for the extension."""
    return RequestContext(**context).kept(extension.context_keys)


@pytest.mark.parametrize(
    ("action", "given", "expected"),
    [
        ("insert", {}, {"X-Team": "search"}),
        ("insert", {"x-team": "shop"}, {"x-team": "shop"}),
        ("update", {}, {}),
        ("update", {"x-team": "shop"}, {"X-Team": "search"}),
        ("upsert", {}, {"X-Team": "search"}),
        ("upsert", {"x-team": "shop"}, {"X-Team": "search"}),
        ("delete", {"x-team": "shop", "other": "1"}, {"other": "1"}),
        ("delete", {}, {}),
    ],
)
async def test_actions(action: str, given: dict[str, str], expected: dict[str, str]) -> None:
    assert await put(setter({"key": "X-Team", "action": action, "value": "search"}), **given) == expected


async def test_headers_are_set_in_order() -> None:
    extension = setter(
        {"key": "a", "value": "1"}, {"key": "a", "action": "update", "value": "2"}, {"key": "b", "action": "delete"}
    )
    assert await put(extension, b="x") == {"a": "2"}


async def test_a_header_of_the_request_that_brought_it() -> None:
    extension = setter({"key": "X-Scope-OrgID", "from_context": "X-Tenant", "default_value": "nobody"})
    context = came_with(extension, metadata={"x-tenant": ["acme"], "authorization": ["Bearer secret"]})
    assert context == '{"metadata.x-tenant":["acme"]}', "nothing else is kept"
    assert await put(extension, context) == {"X-Scope-OrgID": "acme"}
    assert await put(extension) == {"X-Scope-OrgID": "nobody"}


async def test_what_is_known_of_the_sender() -> None:
    extension = setter(
        {"key": "X-Project", "from_attribute": "project"}, {"key": "X-User", "from_attribute": "username"}
    )
    context = came_with(extension, auth={"project": "shop", "subject": "a key"})
    assert await put(extension, context) == {"X-Project": "shop"}


async def test_without_a_value_and_a_default_the_header_stays_as_it_is() -> None:
    extension = setter({"key": "X-Tenant", "from_context": "x-tenant"})
    assert await put(extension, **{"X-Tenant": "of the exporter"}) == {"X-Tenant": "of the exporter"}


@pytest.mark.parametrize("values", [["acme", "shop"], ["acme\r\nX-Admin: 1"], ["Zoë"]])
async def test_a_value_that_cannot_be_meant_is_refused(values: list[str]) -> None:
    extension = setter({"key": "X-Tenant", "from_context": "x-tenant"})
    with pytest.raises(PayloadError, match="X-Tenant: "):
        await put(extension, came_with(extension, metadata={"x-tenant": values}))


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    extension = setter({"key": "X-API-Key", "value_file": file})
    await extension.start()
    try:
        assert await put(extension) == {"X-API-Key": "first"}
        file.write_text("the second\n")
        assert extension.look()
        assert await put(extension) == {"X-API-Key": "the second"}
        file.write_text("two\nlines\n")
        assert not extension.look()
        assert await put(extension) == {"X-API-Key": "the second"}
    finally:
        await extension.stop()


async def test_a_file_that_is_missing_is_told_at_the_start(tmp_path: Path) -> None:
    extension = setter({"key": "X-API-Key", "value_file": tmp_path / "none"})
    with pytest.raises(ConfigError, match="none: No such file"):
        await extension.start()


async def test_it_adds_to_what_another_extension_puts() -> None:
    from tests.clients.test_oauth2 import client

    async with serving() as tokens:
        extension = setter(
            {"key": "Authorization", "action": "insert", "value": "none"}, {"key": "X-Scope-OrgID", "value": "acme"}
        )
        extension.follow(client(tokens.url))
        assert await put(extension) == {"Authorization": "Bearer token-1", "X-Scope-OrgID": "acme"}
        extension.turned_down()
        assert (await put(extension))["Authorization"] == "Bearer token-2"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({"key": "a"}, "missing header source"),
        ({"key": "a", "value": "1", "from_context": "b"}, "expected only one of"),
        ({"key": "a b", "value": "1"}, "expected the name of a header"),
        ({"key": "trace-bin", "value": "1"}, "expected the name of a header"),
        ({"key": "a", "from_attribute": "membership"}, "expected subject, username, project"),
        ({"key": "a", "value": "1", "default_value": "2"}, "default_value goes with"),
    ],
)
def test_mistakes(header: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        setter(header)
