"""What may be shown of a configuration: everything but secrets."""

from __future__ import annotations

import re
from typing import Final

_SECRET_NAME: Final = re.compile(
    r"passw|secret|token|credential|authorization|api_?key|private|dsn|cookie", re.IGNORECASE
)
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY_SECRET: Final = re.compile(r"([?&][^=&]*(?:passw|secret|token|key)[^=&]*=)[^&\s]+", re.IGNORECASE)
MASK: Final = "****"


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value is one."""
    return _SECRET_NAME.search(key) is not None


def mask_text(text: str) -> str:
    """A URL or DSN without its user, password and secret parameters."""
    return _QUERY_SECRET.sub(rf"\1{MASK}", _USERINFO.sub(f"{MASK}@", text))
