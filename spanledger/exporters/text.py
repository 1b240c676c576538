"""Text that every store takes: valid Unicode, bounded nesting."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_ORDERS: Final[dict[int, int | str]] = {
    **{code: 0x2400 + code for code in range(32) if code not in (9, 10)},
    127: "␡",
    **dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)], "�"),
}
"""C0, DEL, C1, the bidirectional embeddings and isolates, surrogates."""


def clean_text(text: str) -> str:
    """`text` without lone surrogates. Broken cuts and JSON escapes leave them; no store takes them. The halves of a
    pair that were escaped apart become their character, every other one U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


encode_valid_json: Final = msgspec.json.Encoder().encode
"""JSON text of a value whose texts are valid Unicode and that is not nested without end."""


def encode_json(value: Any) -> tuple[bytes, bool]:
    """(JSON text, False when text in it had to be repaired). Raises `TypeError` for what JSON cannot hold and
    `ValueError` for nesting without end."""
    try:
        try:
            return encode_valid_json(value), True
        except UnicodeEncodeError:
            return encode_valid_json(_clean(msgspec.to_builtins(value))), False
    except RecursionError:
        raise ValueError("nested too deeply for JSON") from None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def printable(text: str, *, one_line: bool = False) -> str:
    """`text` for a terminal: what a run holds must not move the cursor, change colours or turn the reading direction.
    Control characters become their pictures (␛), other invisible orders U+FFFD; line ends stay, or become ⏎."""
    shown = text.translate(_ORDERS)
    return shown.replace("\n", "⏎").replace("\t", " ") if one_line else shown
