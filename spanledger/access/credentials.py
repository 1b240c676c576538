"""Credentials out of request headers: the places where clients put keys.

`Authorization: Bearer <key>` (OTLP exporters through `OTEL_EXPORTER_OTLP_HEADERS`, Lunary), `Authorization: Basic`
(Langfuse sends public:secret), and headers of one's own such as `x-api-key`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 4096
"""Characters of a credential that are looked at; no key is longer."""
AUTHORIZATION: Final = "authorization"


def offered_keys(headers: Mapping[str, str], names: Sequence[str], scheme: str = "Bearer") -> Iterator[str]:
    """Keys that a request offers, those of headers in `names` (lower case) first. Of Basic credentials the password
    is the key and, where that is none, the user."""
    for name in names:
        if (value := headers.get(name, "").strip()) and len(value) <= LONGEST:
            yield value
    given = headers.get(AUTHORIZATION, "").strip()
    if not given or len(given) > LONGEST:
        return
    # The OTLP environment variable is URL-encoded and some exporters pass it on undecoded ("Bearer%20key").
    if " " not in given and "%20" in given:
        given = unquote(given)
    word, _, rest = given.partition(" ")
    rest = rest.strip()
    if word.lower() == scheme.lower() and rest:
        yield rest
    elif word.lower() == "basic":
        user, password = basic_pair(rest) or ("", "")
        yield from filter(None, (password, user))
    elif not rest:
        yield word  # a bare key


def basic_pair(encoded: str) -> tuple[str, str] | None:
    """(user, password) of the Basic scheme (RFC 7617), None when it cannot be read."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
