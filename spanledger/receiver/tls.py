"""TLS of the listeners: settings under the Collector's keys (config/configtls), certificates that are read again.

Certificates are renewed while a process runs, so files are looked at again, at most once per `reload_interval` and only
when somebody connects. A pair that cannot be used is told and the one before stays: a renewal that is half written must
not cut off senders.
"""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from spanledger.errors import ConfigError
from spanledger.settings import Duration, Secret, Settings

_log = logging.getLogger(__name__)

TlsVersion = Literal["1.2", "1.3"]
CipherSuite = Literal[
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
]
"""The suites of TLS 1.2 that Go counts as secure, by their IANA names. Those of TLS 1.3 are always on."""

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HANDSHAKE_SECONDS: Final = 10.0
"""For a new connection; asyncio's own default is a minute."""


class TlsSettings(Settings):
    """Certificate and key; encrypts what senders send."""

    cert_file: Path | None = None
    """Certificate, followed by those of the authorities between it and the root, as PEM."""
    cert_pem: str | None = None
    """The same as text, in place of `cert_file`."""
    key_file: Path | None = None
    """Private key of the certificate, without a password, as PEM."""
    key_pem: Secret | None = None
    """The same as text, in place of `key_file`."""
    client_ca_file: Path | None = None
    """Only clients whose certificate one of these authorities has signed may connect (mTLS)."""
    client_ca_file_reload: bool = False
    """Always so: the file is looked at again every `reload_interval`, like the others."""
    reload_interval: Annotated[Duration, Field(ge=0)] = 60.0
    """How often files are looked at again. 0 = never."""
    min_version: TlsVersion = "1.2"
    """Oldest version of TLS."""
    max_version: TlsVersion | None = None
    """Newest version of TLS; unset = no limit."""
    cipher_suites: tuple[CipherSuite, ...] = ()
    """Cipher suites of TLS 1.2, by their IANA names; none = the library's choice."""

    @model_validator(mode="after")
    def _a_pair(self) -> TlsSettings:
        for name in ("cert", "key"):
            file, text = getattr(self, f"{name}_file"), getattr(self, f"{name}_pem")
            if (file is None) == (text is None):
                raise ValueError(f"expected {name}_file or {name}_pem, one of both")
        if self.max_version is not None and self.max_version < self.min_version:
            raise ValueError("expected a max_version that is no older than min_version")
        return self


@dataclass(frozen=True, slots=True)
class _Pems:
    """What the files hold."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None


class Certificates:
    """The certificate of a listener as it is now. Belongs to one event loop."""

    def __init__(
        self, settings: TlsSettings, where: str, protocol: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`where`: the key that the settings stand under, for messages. `protocol`: what is spoken inside, by its name
        in ALPN. Raises `ConfigError` for files that cannot be read or do not belong together."""
        self._settings = settings
        self._where = where
        self._protocol = protocol
        self._clock = clock
        self._looked = clock()
        self._failed = ""
        """What was wrong at the last look, "" for nothing."""
        self._pems, self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """For asyncio: hands every new connection the certificate of that moment."""
        first = _context(self._settings, self._pems, self._protocol)

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, used: ssl.SSLContext) -> None:
            connection.context = self._current()[1]

        first.sni_callback = choose
        return first

    def _current(self) -> tuple[_Pems, ssl.SSLContext]:
        now = self._clock()
        if self._settings.reload_interval and now >= self._looked + self._settings.reload_interval:
            self._looked = now
            self._reload()
        return self._pems, self._context

    def _reload(self) -> None:
        try:
            pems, context = self._load()
        except ConfigError as problem:
            if str(problem) != self._failed:
                _log.error("%s; the certificate stays as it was", problem)
            self._failed = str(problem)
            return
        self._failed = ""
        if pems == self._pems:
            return
        self._pems, self._context = pems, context
        _log.info("read a new certificate", extra={"file": str(self._settings.cert_file or "")})

    def _load(self) -> tuple[_Pems, ssl.SSLContext]:
        try:
            pems = self._read()
            return pems, _context(self._settings, pems, self._protocol)
        except ConfigError as problem:
            raise ConfigError(f"{self._where}: {problem}") from None

    def _read(self) -> _Pems:
        settings = self._settings
        key = settings.key_pem.get_secret_value() if settings.key_pem is not None else None
        return _Pems(
            _content(settings.cert_file, settings.cert_pem),
            _content(settings.key_file, key),
            _content(settings.client_ca_file, None) if settings.client_ca_file is not None else None,
        )


def _content(file: Path | None, text: str | None) -> bytes:
    if file is None:
        return (text or "").encode()
    try:
        return file.read_bytes()
    except OSError as problem:
        raise ConfigError(f"cannot read {file}: {problem.strerror}") from None


def _context(settings: TlsSettings, pems: _Pems, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    if settings.max_version is not None:
        context.maximum_version = _VERSIONS[settings.max_version]
    if settings.cipher_suites:
        context.set_ciphers(":".join(map(_openssl_name, settings.cipher_suites)))
    context.set_alpn_protocols([protocol])
    try:
        with _as_file(pems.certificate + b"\n" + pems.key) as name:
            # An answer, lest OpenSSL asks for the password of a key at the terminal.
            context.load_cert_chain(name, password=lambda: b"")
    except (ssl.SSLError, ValueError, OSError) as problem:
        reason = getattr(problem, "reason", None) or "no PEM"
        raise ConfigError(
            f"certificate ({settings.cert_file or 'cert_pem'}) and key ({settings.key_file or 'key_pem'}) cannot "
            f"be used: {str(reason).replace('_', ' ').lower()}"
        ) from None
    if pems.client_ca is not None:
        try:
            context.load_verify_locations(cadata=pems.client_ca.decode("ascii", "replace"))
        except (ssl.SSLError, ValueError):
            raise ConfigError(f"{settings.client_ca_file} holds no certificate of an authority") from None
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session would not be asked for its certificate again when the authorities have changed.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A name to read the content from: OpenSSL takes a key from files only. In memory where the system can do that;
    containers often have no directory to write to."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tls")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def _openssl_name(suite: str) -> str:
    """`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is OpenSSL's `ECDHE-RSA-AES128-GCM-SHA256`."""
    name = suite.removeprefix("TLS_").replace("_WITH_", "_").replace("AES_", "AES").replace("_", "-")
    return name.removesuffix("-SHA256") if "CHACHA20" in name else name
