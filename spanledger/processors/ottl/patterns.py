"""Regular expressions in linear time: RE2, as in the Collector. Patterns come from users and texts from anywhere; an
engine that backtracks could be made to stand still by either."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_nl = False


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A compiled pattern with `search`, `fullmatch`, `sub`. Raises `ValueError`."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else "cannot be read"
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise ValueError(f"not a regular expression (RE2): {reason}") from None


def glob(pattern: str) -> Any:
    """`*` and `?` as in file names. Raises `ValueError`."""
    import re

    return compiled("(?s)" + "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern))
