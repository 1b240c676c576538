"""Certificates, made when a test asks for them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme


class Authority:
    """A certificate authority of one test, and files of what it has signed."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._authority = trustme.CA()
        self._folder = folder / name
        self._folder.mkdir()
        self.file = self._folder / "ca.pem"
        self.certificate = self._authority.cert_pem.bytes()
        self.file.write_bytes(self.certificate)

    def issue(self, name: str = "localhost") -> dict[str, Any]:
        """`cert_file` and `key_file` of a new certificate, at the same paths as the last one of this name."""
        issued = self._authority.issue_cert(name, "127.0.0.1")
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return {"cert_file": str(certificate), "key_file": str(key)}

    def issue_inline(self) -> dict[str, Any]:
        """The same as text: `cert_pem` and `key_pem`."""
        files = self.issue()
        return {f"{name}_pem": Path(files[f"{name}_file"]).read_text() for name in ("cert", "key")}

    def issue_to(self, files: dict[str, Any]) -> None:
        """A new certificate into the files of another."""
        for name, path in self.issue().items():
            overwrite(files[name], Path(path).read_bytes())

    def client(self, own: dict[str, Any] | None = None, **bounds: ssl.TLSVersion) -> ssl.SSLContext:
        """A client that trusts this authority, with a certificate of its own where given."""
        context = ssl.create_default_context(cafile=str(self.file))
        for name, version in bounds.items():
            setattr(context, name, version)
        if own is not None:
            context.load_cert_chain(own["cert_file"], own["key_file"])
        return context

    def grpc_client(self, own: dict[str, Any] | None = None) -> Any:
        """Channel credentials, likewise."""
        import grpc

        files = [Path(own[name]).read_bytes() for name in ("key_file", "cert_file")] if own else [None, None]
        return grpc.ssl_channel_credentials(self.file.read_bytes(), *files)

    def grpc_server(self, own: dict[str, Any]) -> Any:
        """Credentials of a server that wants a client certificate of this authority."""
        import grpc

        pair = (Path(own["key_file"]).read_bytes(), Path(own["cert_file"]).read_bytes())
        return grpc.ssl_server_credentials([pair], self.certificate, require_client_auth=True)


def overwrite(file: str | Path, content: bytes) -> None:
    """Replace what a file holds."""
    Path(file).write_bytes(content)
