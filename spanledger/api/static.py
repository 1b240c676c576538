"""The page that the API serves at `/`, built from `web/` into `page/` beside this file.

It needs no key: it holds nothing but the program. What it shows it reads from the API, with the key of whoever looks.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from aiohttp import web

PREFIX: Final = "/page/"
_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Nothing comes from elsewhere, and nothing that a run holds can become a script. Pictures in messages are data.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A new version is seen at once; what did not change costs an answer without a body.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    compressed: bytes
    content_type: str
    etag: str


class StaticPage:
    """The files of the page, in memory."""

    def __init__(self) -> None:
        folder = resources.files("spanledger.api") / "page"
        self._files = {file.name: _read(file.name, file.read_bytes()) for file in folder.iterdir() if file.is_file()}

    def add_to(self, app: web.Application) -> None:
        """Serve the files at `/page/…`."""
        app.router.add_get(PREFIX + "{file}", self._file)

    def index(self, request: web.Request) -> web.Response:
        """The page itself."""
        return _answer(request, self._files["index.html"])

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return _answer(request, file)


def _read(name: str, body: bytes) -> _File:
    digest = hashlib.sha256(body).hexdigest()[:32]
    content_type = _TYPES[name[name.rindex(".") :]]
    return _File(body, gzip.compress(body, 9, mtime=0), content_type, digest)


def _answer(request: web.Request, file: _File) -> web.Response:
    headers = {**_HEADERS, "Vary": "Accept, Accept-Encoding", "ETag": f'"{file.etag}"'}
    if any(tag.value in (file.etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    if zipped:
        headers["Content-Encoding"] = "gzip"
    body = file.compressed if zipped else file.body
    return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)
