"""Deterministic ids: the same span always gets the same run id, so a redelivery meets its own row."""

from __future__ import annotations

import hashlib
import re

_UUID_SHAPE = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def uuid8(*parts: str | bytes) -> str:
    """UUIDv8 (RFC 9562) from the SHA-256 of the parts, each followed by a zero byte."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        digest.update(b"\0")
    raw = bytearray(digest.digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def run_id_of_span(project_id: str, trace_id: str, span_id: str) -> str:
    """Run id of a span: span ids alone collide, so project and trace take part."""
    return uuid8("span", project_id, trace_id, span_id)


def run_id_of_client(project_id: str, external_id: str) -> str:
    """Run id of an id that the sender chose: kept when it has the shape of a UUID (any version), else hashed."""
    if _UUID_SHAPE.fullmatch(external_id):
        return external_id.lower()
    return uuid8("client", project_id, external_id)


def thread_id(project_id: str, session_id: str) -> str:
    """Id of the thread record of a session."""
    return uuid8("thread", project_id, session_id)
