"""Converters of texts and hashes (pkg/ottl/ottlfuncs/README.md)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from typing import Any, Final

import xxhash

from spanledger.processors.ottl.arguments import Converter, Parameter, parameters
from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.ottl.grok import grok
from spanledger.processors.ottl.paths import type_name
from spanledger.processors.values import Value, text_of

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def text(value: Value) -> str:
    """Raises `OttlError` for what is no text."""
    if not isinstance(value, str):
        raise OttlError(f"expected text, found {type_name(value)}")
    return value


def _raw(value: Value) -> bytes:
    return value if isinstance(value, bytes) else text(value).encode()


def words(value: str) -> list[str]:
    """`HTTPStatus_code` → HTTP, Status, code."""
    return _WORD.findall(value)


def _snake(value: Value) -> str:
    return "_".join(word.lower() for word in words(text(value)))


def _camel(value: Value) -> str:
    return "".join(word[:1].upper() + word[1:].lower() for word in words(text(value)))


def _convert_case(value: Value, to_case: Value) -> str:
    match to_case:
        case "lower":
            return text(value).lower()
        case "upper":
            return text(value).upper()
        case "snake":
            return _snake(value)
        case "camel":
            return _camel(value)
    raise OttlError("ConvertCase knows lower, upper, snake and camel")


def _concat(values: Value, delimiter: Value) -> str:
    if not isinstance(values, list):
        raise OttlError(f"Concat wants a list, not {type_name(values)}")
    return text(delimiter).join(text_of(value) for value in values if not isinstance(value, list | dict))


def _substring(value: Value, start: Value, length: Value, utf8_safe: Value) -> str:
    encoded = text(value).encode()
    if not 0 <= start <= start + length <= len(encoded):
        raise OttlError(f"[{start}, {start + length}) is out of a text of {len(encoded)} bytes")
    return encoded[start : start + length].decode("utf-8", "ignore")


def _trim(value: Value, replacement: Value) -> str:
    return text(value).strip(" " if replacement is None else text(replacement))


def _format(template: Value, values: Value) -> str:
    """Go's verbs %s %v %d %f %x %q %t with flags and widths."""
    given = iter(values)

    def one(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        try:
            value = next(given)
        except StopIteration:
            raise OttlError("Format: more verbs than values") from None
        flags, verb = match[1], match[2]
        try:
            match verb:
                case "s" | "v":
                    return str(f"%{flags}s" % text_of(value))
                case "q":
                    return '"' + text_of(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
                case "t":
                    return text_of(bool(value))
                case "x" if isinstance(value, str | bytes):
                    return _raw(value).hex()
            return str(f"%{flags}{verb}" % value)
        except (TypeError, ValueError):
            raise OttlError(f"Format: %{verb} does not fit {type_name(value)}") from None

    return re.sub(r"%([-+ 0#]*\d*(?:\.\d+)?)([svdfegxXqt%])", one, text(template))


def _decode(value: Value, encoding: Value) -> str:
    try:
        match encoding:
            case "base64":
                return base64.b64decode(_raw(value), validate=True).decode("utf-8", "replace")
            case "base64-raw":
                raw = _raw(value)
                return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True).decode("utf-8", "replace")
            case "base64-url":
                return base64.urlsafe_b64decode(_raw(value)).decode("utf-8", "replace")
            case "hex":
                return bytes.fromhex(_raw(value).decode()).decode("utf-8", "replace")
        return _raw(value).decode(text(encoding))
    except (binascii.Error, ValueError, LookupError):
        raise OttlError(f"Decode: the value is not {encoding}") from None


def _fnv(value: Value) -> int:
    """FNV-1a of 64 bits as a signed integer."""
    found = 0xCBF29CE484222325
    for byte in _raw(value):
        found = ((found ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return found - (1 << 64) if found >> 63 else found


def _hash(name: str) -> Converter:
    return Converter(
        parameters("value"), lambda value: hashlib.new(name, _raw(value), usedforsecurity=False).hexdigest()
    )


def _is_match(target: Value, pattern: Any) -> bool:
    return target is not None and pattern.search(text_of(target)) is not None


def _extract_patterns(target: Value, pattern: Any) -> dict[str, str]:
    found = pattern.search(text(target))
    return {} if found is None else {key: value or "" for key, value in found.groupdict().items()}


def _extract_grok(target: Value, pattern: Value, named_only: Value, definitions: Value) -> dict[str, Any]:
    own = tuple(map(text, definitions)) if isinstance(definitions, list) else ()
    try:
        return grok(text(pattern), bool(named_only), own).match(text(target))
    except ValueError as problem:
        raise OttlError(f"ExtractGrokPatterns: {problem}") from None


def _hex(value: Value) -> str:
    """Of the bytes of a value: numbers take eight, the highest first."""
    if isinstance(value, bool):
        return f"{int(value):02x}"
    if isinstance(value, int):
        return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big").hex()
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    return _raw(value).hex()


def _user_agent(value: Value) -> dict[str, str]:
    """Name and version by the patterns of uap-core, which uap-go reads too."""
    import ua_parser  # here, because few ask for it, and it takes a megabyte

    original = text(value)
    found = ua_parser.parse_user_agent(original)
    named = {"user_agent.original": original, "user_agent.name": "Other", "user_agent.version": ""}
    if found is not None:
        parts = (found.major, found.minor, found.patch, found.patch_minor)
        named["user_agent.name"] = found.family
        named["user_agent.version"] = ".".join(part for part in parts if part)
    return named


TEXTS: Final[dict[str, Converter]] = {
    "Concat": Converter(parameters("values", "delimiter"), _concat),
    "ConvertCase": Converter(parameters("target", "toCase"), _convert_case),
    "Decode": Converter(parameters("target", "encoding"), _decode),
    "ExtractGrokPatterns": Converter(
        parameters(
            "target",
            "pattern",
            Parameter("named_captures_only", "value", True),
            Parameter("pattern_definitions", "value", None),
        ),
        _extract_grok,
    ),
    "ExtractPatterns": Converter(parameters("target", "pattern:pattern"), _extract_patterns),
    "FNV": Converter(parameters("value"), _fnv),
    "Format": Converter(parameters("template", "values"), _format),
    "HasPrefix": Converter(parameters("value", "prefix"), lambda value, prefix: text(value).startswith(text(prefix))),
    "HasSuffix": Converter(parameters("value", "suffix"), lambda value, suffix: text(value).endswith(text(suffix))),
    "Hex": Converter(parameters("value"), _hex),
    "IsMatch": Converter(parameters("target", "pattern:pattern"), _is_match),
    "MD5": _hash("md5"),
    "SHA1": _hash("sha1"),
    "SHA256": _hash("sha256"),
    "SHA512": _hash("sha512"),
    "Split": Converter(parameters("target", "delimiter"), lambda value, mark: text(value).split(text(mark) or None)),
    "Substring": Converter(
        parameters("target", "start", "length", Parameter("utf8_safe", "constant", False)), _substring
    ),
    "ToCamelCase": Converter(parameters("target"), _camel),
    "ToLowerCase": Converter(parameters("target"), lambda value: text(value).lower()),
    "ToSnakeCase": Converter(parameters("target"), _snake),
    "ToUpperCase": Converter(parameters("target"), lambda value: text(value).upper()),
    "Trim": Converter(parameters("target", "replacement?"), _trim),
    "TrimPrefix": Converter(parameters("value", "prefix"), lambda value, end: text(value).removeprefix(text(end))),
    "TrimSuffix": Converter(parameters("value", "suffix"), lambda value, end: text(value).removesuffix(text(end))),
    "UserAgent": Converter(parameters("value"), _user_agent),
    "XXH128": Converter(parameters("value"), lambda value: xxhash.xxh3_128_hexdigest(_raw(value))),
    "XXH3": Converter(parameters("value"), lambda value: xxhash.xxh3_64_hexdigest(_raw(value))),
}
