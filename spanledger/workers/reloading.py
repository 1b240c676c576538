"""How a configuration is read again, and when."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spanledger.config import Config
from spanledger.config.model import ReloadSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloading:
    """How the configuration is read again."""

    load: Callable[[], Config]
    """Raises `SpanledgerError` for one that cannot be used."""
    use: Callable[[Config], None]
    """Called with one that was taken over: logging is set up anew."""
    files: Sequence[str] = ()
    """Where it comes from."""
    seen: bytes = b""
    """`fingerprint` of the files before they were read for the start."""


async def watch(reloading: Reloading, settings: ReloadSettings, ask: Callable[[], None]) -> None:
    """Ask for a reload whenever a file has another content, where the settings, those of the start, say so."""
    if not settings.on_change or not reloading.files:
        return
    seen = reloading.seen
    while True:
        now = await asyncio.to_thread(fingerprint, reloading.files)
        if now != seen:
            seen = now
            logger.info("a file of the configuration has changed")
            ask()
        await asyncio.sleep(settings.interval)


def fingerprint(files: Sequence[str]) -> bytes:
    """Names the content of files; one that cannot be read has none. Looked at by path: Kubernetes swaps links."""
    digest = hashlib.sha256()
    for file in files:
        try:
            content = Path(file.removeprefix("file:")).read_bytes()
        except OSError:
            content = b""
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()
