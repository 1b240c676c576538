"""Deterministic ids: the same span always gets the same run id, so a redelivery meets its own row."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

_UUID_SHAPE = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The variant of RFC 9562 in the upper two bits of a hexadecimal digit."""


def uuid8(*parts: str | bytes) -> str:
    """UUIDv8 (RFC 9562) from the SHA-256 of the parts, each followed by a zero byte."""
    whole = b"".join(
        [(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part) + b"\0" for part in parts]
    )
    return _uuid_of(whole)


def _uuid_of(told: bytes) -> str:
    text = hashlib.sha256(told).hexdigest()
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{_VARIANTS[text[16]]}{text[17:20]}-{text[20:32]}"


@lru_cache(4096)  # children name their parent's run, as often as their trace is looked at
def run_id_of_span(project_id: str, trace_id: str, span_id: str) -> str:
    """Run id of a span: span ids alone collide, so project and trace take part."""
    return _uuid_of(f"span\0{project_id}\0{trace_id}\0{span_id}\0".encode("utf-8", "surrogatepass"))


def run_id_of_client(project_id: str, external_id: str) -> str:
    """Run id of an id that the sender chose: kept when it has the shape of a UUID (any version), else hashed."""
    if _UUID_SHAPE.fullmatch(external_id):
        return external_id.lower()
    return uuid8("client", project_id, external_id)


def thread_id(project_id: str, session_id: str) -> str:
    """Id of the thread record of a session."""
    return uuid8("thread", project_id, session_id)
