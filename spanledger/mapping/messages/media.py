"""Images, audio, video and documents: base64, data URLs, byte arrays, links and file ids (conventions §2.35)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value

REDACTED: Final = frozenset(
    {
        "readacted",  # sic: OpenAI Agents instrumentation of OTel contrib
        "<REDACTED>",
        "<redacted>",
        "[REDACTED]",
        "__REDACTED__",
        "<replaced>",
        "<elided>",
        "<circular reference>",
        "[Filtered]",
        "[Blob substitute]",
    }
)
"""What SDKs write where they left content out (conventions §3.4, §8.2 #53)."""

_MIME_OF_FORMAT: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "pdf": "application/pdf",
    "csv": "text/csv",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MODALITIES: Final = frozenset({"image", "audio", "video", "document"})
_URI: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,31}:")
_LANGFUSE: Final = re.compile(r"@@@langfuseMedia:type=([^|@]*)\|id=([^|@]*)\|source=[^@]*@@@")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def modality_of(mime_type: str | None, given: Value = None) -> str:
    """`image`, `audio`, `video` or `document`; the MIME type decides, as some SDKs call every file an image."""
    if mime_type:
        kind = mime_type.partition("/")[0].lower()
        if kind in ("image", "audio", "video"):
            return kind
        if kind != "*":
            return "document"
    if isinstance(given, str) and given.lower() in _MODALITIES:
        return given.lower()
    return "document"


def mime_of_format(modality: str, format_: Value) -> str | None:
    """MIME type of a short format name such as `png` or `wav`."""
    if not isinstance(format_, str) or not format_:
        return None
    if "/" in format_:
        return format_
    known = _MIME_OF_FORMAT.get(format_.lower())
    return known if known is not None else f"{modality if modality != 'document' else 'application'}/{format_.lower()}"


def media(
    reader: Reader,
    data: Value,
    *,
    mime_type: Value = None,
    modality: Value = None,
    filename: Value = None,
    link: bool = True,
) -> Part:
    """The part for binary content in any of its spellings: data URL, base64 text, bytes, byte array, or a link.

    `link=False` says that a text is base64 and nothing else. Content that the SDK left out gives a blob that is
    `omitted` without size and digest.
    """
    mime = mime_type if isinstance(mime_type, str) and mime_type else None
    if isinstance(data, (dict, list)):
        data = _byte_array(data)
    if isinstance(data, (bytes, bytearray)):
        return _named(_blob_of_bytes(reader, bytes(data), mime, modality), filename)
    if not isinstance(data, str) or not data or data in REDACTED or data.startswith(("b'", 'b"')):
        return _named(_omitted(mime, modality), filename)
    if data.startswith("data:"):
        return _named(_data_url(reader, data, mime, modality), filename)
    if data.startswith("@@@langfuseMedia:"):
        match = _LANGFUSE.fullmatch(data)
        if match is not None:
            mime = match[1] or mime
            return _named(file_part(match[2], mime, modality), filename)
    if link and _URI.match(data):
        return _named(uri_part(data, mime, modality), filename)
    return _named(_blob_of_base64(reader, data, mime, modality), filename)


def uri_part(uri: str, mime_type: str | None, modality: Value) -> Part:
    part: Part = {"type": "uri", "modality": modality_of(mime_type, modality)}
    if mime_type:
        part["mime_type"] = mime_type
    part["uri"] = uri
    return part


def file_part(file_id: str, mime_type: str | None, modality: Value) -> Part:
    part: Part = {"type": "file", "file_id": file_id}
    if mime_type or (isinstance(modality, str) and modality.lower() in _MODALITIES):
        part["modality"] = modality_of(mime_type, modality)
    if mime_type:
        part["mime_type"] = mime_type
    return part


def _named(part: Part, filename: Value) -> Part:
    if isinstance(filename, str) and filename:
        part["filename"] = filename
    return part


def _omitted(mime_type: str | None, modality: Value) -> Part:
    return {"type": "blob", "modality": modality_of(mime_type, modality), "mime_type": mime_type, "omitted": True}


def _data_url(reader: Reader, url: str, mime_type: str | None, modality: Value) -> Part:
    head, comma, body = url.partition(",")
    kind, _, options = head[5:].partition(";")
    mime = kind or mime_type
    if not comma or not body or body in REDACTED:
        return _omitted(mime, modality)
    if "base64" in options:
        return _blob_of_base64(reader, body, mime, modality)
    return _blob_of_bytes(reader, body.encode(), mime, modality)


def _blob_of_bytes(reader: Reader, data: bytes, mime_type: str | None, modality: Value) -> Part:
    part: Part = {"type": "blob", "modality": modality_of(mime_type, modality), "mime_type": mime_type}
    if len(data) <= reader.blob_limit:
        part["content"] = base64.b64encode(data).decode("ascii")
    else:
        part.update(omitted=True, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    return part


def _blob_of_base64(reader: Reader, text: str, mime_type: str | None, modality: Value) -> Part:
    part: Part = {"type": "blob", "modality": modality_of(mime_type, modality), "mime_type": mime_type}
    if len(text) * 3 // 4 <= reader.blob_limit:
        part["content"] = text
        return part
    try:
        data = base64.b64decode(
            text.translate(_URL_SAFE) + "=="
        )  # padding may be missing, more than needed does no harm
    except (binascii.Error, ValueError):
        data = text.encode()
    part.update(omitted=True, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    return part


def _byte_array(value: dict[str, Value] | list[Value]) -> Value:
    """bytes of `{"type": "Buffer", "data": [137, …]}`, `[137, …]` and `{"0": 137, "1": …}` (Vercel, older versions)."""
    if isinstance(value, dict):
        inner = value.get("data")
        if isinstance(inner, str):
            return inner
        if isinstance(inner, list):
            value = inner
        elif "0" in value:
            value = [value.get(str(index)) for index in range(len(value))]
        else:
            for name in ("url", "uri", "base64", "bytes"):
                if isinstance(value.get(name), str):
                    return value[name]
            return None
    try:
        return bytes(value)
    except (TypeError, ValueError):
        return None
