"""Exporter `file`: records as JSON lines.

A file cannot replace a line: a redelivered or corrected record is a further line. Of the lines of one run the one with
the highest `version` counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from spanledger.errors import StoreError
from spanledger.exporters.base import WRITTEN, Exporter, WriteResult
from spanledger.exporters.file.output import Output
from spanledger.exporters.file.settings import FileSettings
from spanledger.exporters.lines import json_lines
from spanledger.model.records import Record


class FileExporter(Exporter):
    """Writes whole lines: a failed write is taken back."""

    name = "file"

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        self._output = Output(Path(settings.path), settings)

    async def start(self) -> None:
        """Open the file. Raises `StoreError` when it cannot be written."""
        try:
            await asyncio.to_thread(self._output.open, truncate=not self.settings.append)
        except OSError as error:
            raise StoreError(f"file: cannot write {self._output.path}: {error.strerror}") from error

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Append a line for each record."""
        lines, rejected = json_lines(records)
        try:
            if lines:
                await asyncio.to_thread(self._output.append, b"".join(lines))
        except OSError as error:
            return WriteResult(retry=f"cannot write {self._output.path}: {error.strerror}")
        return WriteResult(rejected=rejected) if rejected else WRITTEN

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._output.close)
