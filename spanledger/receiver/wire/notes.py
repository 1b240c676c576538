"""What was mended in an item, in the words that become warnings of its run."""

from __future__ import annotations

from typing import Final

_AT_MOST: Final = 20
_TEXT_AT_MOST: Final = 128


def note(repairs: list[str], what: str, name: str) -> None:
    """Note a repair, e.g. `invalid_utf8:gen_ai.prompt`, once. A span of a million bad keys gets twenty notes: they
    are repeated on every span of a group."""
    text = f"{what}:{name[:_TEXT_AT_MOST]}"
    if len(repairs) < _AT_MOST and text not in repairs:
        repairs.append(text)
