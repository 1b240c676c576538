"""TLS of what dials out; keys are the Collector's (config/configtls)."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from spanledger.errors import ConfigError
from spanledger.settings import Duration, Secret, Settings

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ClientTlsSettings(Settings):
    """Client side of TLS."""

    insecure: bool = False
    """No TLS at all."""
    insecure_skip_verify: bool = False
    """Do not check the server's certificate."""
    ca_file: Path | None = None
    """Certificate authorities to trust instead of the system's."""
    ca_pem: str | None = None
    """The same, in place."""
    cert_file: Path | None = None
    """Client certificate."""
    cert_pem: str | None = None
    """The same, in place."""
    key_file: Path | None = None
    """Key of the client certificate."""
    key_pem: Secret | None = None
    """The same, in place."""
    include_system_ca_certs_pool: bool = False
    """Trust the system's authorities beside those given."""
    min_version: Literal["1.2", "1.3", ""] = ""
    """Oldest version of TLS; 1.2 unless said otherwise."""
    max_version: Literal["1.2", "1.3", ""] = ""
    """Newest version of TLS; unset = no limit."""
    server_name_override: str | None = None
    """Name to expect in the server's certificate."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        for name in ("ca", "cert", "key"):
            if getattr(self, f"{name}_file") and getattr(self, f"{name}_pem"):
                raise ValueError(f"expected one of {name}_file and {name}_pem")
        if bool(self.cert_file or self.cert_pem) != bool(self.key_file or self.key_pem):
            raise ValueError("expected a client certificate and its key, or neither")
        if self.min_version and self.max_version and self.min_version > self.max_version:
            raise ValueError("expected a min_version that is not newer than max_version")
        return self

    def ca(self) -> bytes | None:
        """PEM of the authorities; None for the system's. Raises `ConfigError`."""
        own = _pem(self.ca_file, self.ca_pem)
        if own is None or not self.include_system_ca_certs_pool:
            return own
        system = ssl.create_default_context().get_ca_certs(binary_form=True)
        return b"\n".join([own, *(ssl.DER_cert_to_PEM_cert(one).encode() for one in system)])

    def certificate(self) -> bytes | None:
        """PEM of the client certificate. Raises `ConfigError`."""
        return _pem(self.cert_file, self.cert_pem)

    def key(self) -> bytes | None:
        """PEM of its key. Raises `ConfigError`."""
        return _pem(self.key_file, self.key_pem.get_secret_value() if self.key_pem else None)

    def context(self) -> ssl.SSLContext:
        """For Python's own TLS. Raises `ConfigError`."""
        ca = self.ca()
        try:
            context = ssl.create_default_context(cadata=ca.decode() if ca else None)
            if self.cert_file and self.key_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (ssl.SSLError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"tls: a certificate or key cannot be used: {error}") from error
        if self.cert_pem:
            raise ConfigError("tls: over HTTP and to Kafka a client certificate comes from cert_file and key_file")
        if self.min_version:
            context.minimum_version = _VERSIONS[self.min_version]
        if self.max_version:
            context.maximum_version = _VERSIONS[self.max_version]
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class ReloadedTlsSettings(ClientTlsSettings):
    """Client side of TLS, whose files may become others."""

    reload_interval: Annotated[Duration, Field(ge=0)] = 0.0
    """How often files are looked at again; connections that stand go on. 0 = never."""

    def watched(self) -> Watched:
        """Whether they became others, from now on."""
        return Watched([path for path in (self.ca_file, self.cert_file, self.key_file) if path], self.reload_interval)


class Watched:
    """Looks at files, no more often than every so many seconds."""

    def __init__(self, files: Sequence[Path], interval: float) -> None:
        """`interval` 0: never."""
        self._files = files if interval else ()
        self._interval = interval
        self._look_at = time.monotonic() + interval
        self._seen = self._states()

    def changed(self) -> bool:
        """Whether one is another than when they were last looked at. One that is missing is being replaced."""
        if not self._files or time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + self._interval
        before, found = self._seen, self._states()
        if found is None or found == before:
            return False
        self._seen = found
        return True

    def _states(self) -> list[tuple[int, int, int]] | None:
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return None
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]


def _pem(file: Path | None, text: str | None) -> bytes | None:
    if file is None:
        return text.encode() if text else None
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls: cannot read {file}: {error.strerror}") from error
