"""TLS of what dials out; keys are the Collector's (config/configtls)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from pydantic import model_validator

from spanledger.errors import ConfigError
from spanledger.settings import Secret, Settings


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
    server_name_override: str | None = None
    """Name to expect in the server's certificate."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        for name in ("ca", "cert", "key"):
            if getattr(self, f"{name}_file") and getattr(self, f"{name}_pem"):
                raise ValueError(f"expected one of {name}_file and {name}_pem")
        if bool(self.cert_file or self.cert_pem) != bool(self.key_file or self.key_pem):
            raise ValueError("expected a client certificate and its key, or neither")
        return self

    def ca(self) -> bytes | None:
        """PEM of the authorities; None for the system's. Raises `ConfigError`."""
        return _pem(self.ca_file, self.ca_pem)

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
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _pem(file: Path | None, text: str | None) -> bytes | None:
    if file is None:
        return text.encode() if text else None
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls: cannot read {file}: {error.strerror}") from error
