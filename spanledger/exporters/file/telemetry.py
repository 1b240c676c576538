"""Exporter `file` on the raw road: telemetry as it came, in the layouts of the Collector's exporter of that name."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from spanledger.errors import StoreError
from spanledger.exporters.base import WRITTEN, Rejection, WriteResult
from spanledger.exporters.file.output import Output
from spanledger.exporters.file.settings import FileSettings
from spanledger.exporters.messages import as_json, by_resource, merged
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry

_IMPOSSIBLE: Final = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST})
"""Of a path that a resource asks for: no other attempt will find it possible."""


class TelemetryFiles:
    """The files of an exporter, which all of its signals write to."""

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings
        self._outputs: OrderedDict[str, Output] = OrderedDict()
        """By path, the one that was used last at the end."""
        self._writing = asyncio.Lock()
        self._users = 0
        self._prefix, _, self._suffix = settings.path.partition("*") if settings.groups else (settings.path, "", "")

    def __call__(self, signal: Signal) -> RawExporter:
        """The exporter of one signal."""
        return TelemetryFileExporter(self, signal)

    async def start(self) -> None:
        """For each signal. Raises `StoreError` when a file that is known by name cannot be written."""
        async with self._writing:
            if not self._settings.groups and not self._outputs:
                output = Output(Path(self._prefix), self._settings)
                try:
                    await asyncio.to_thread(output.open, truncate=not self._settings.append)
                except OSError as error:
                    raise StoreError(f"file: cannot write {output.path}: {error.strerror}") from error
                self._outputs[self._prefix] = output
            self._users += 1

    async def close(self) -> None:
        """For each signal; the last one closes the files."""
        self._users -= 1
        if self._users <= 0:
            while self._outputs:
                _, output = self._outputs.popitem()
                await asyncio.to_thread(output.close)

    async def write(self, batch: Sequence[Telemetry]) -> WriteResult:
        """One message, or with `group_by` one for each file. Nothing of it is there when it fails."""
        if not self._settings.groups:
            return await self._append({self._prefix: batch})
        wanted = self._settings.group_by.resource_attribute
        reason = f"its resource has no text as {wanted}, by which files are named"
        files: dict[str, list[Telemetry]] = {}
        stored: list[int] = []
        mixed = False
        rejected: list[Rejection] = []
        for place, one in enumerate(batch):
            try:
                found = [(self._path(resource), part) for resource, part in by_resource(one)]
            except ValueError as error:
                rejected.append(Rejection(place, str(error)))
                continue
            paths = {path for path, _ in found}
            if None not in paths:
                stored.append(place)
                for path, part in found:
                    files.setdefault(path or "", []).append(part)
            elif len(paths) == 1:
                rejected.append(Rejection(place, reason))
            else:  # it comes again in halves
                mixed = True
        answer = await self._append(files)
        if answer != WRITTEN:
            return answer
        return WriteResult(refused=reason, stored=stored) if mixed else WriteResult(rejected=tuple(rejected))

    def _path(self, resource: Any) -> str | None:
        """The file of a resource, below the folder before `*` whatever its attribute says; None where it says
        nothing."""
        wanted = self._settings.group_by.resource_attribute
        value = next((attribute.value for attribute in resource.attributes if attribute.key == wanted), None)
        if value is None or not value.HasField("string_value") or "\0" in value.string_value:
            return None
        segment: str = value.string_value
        inside = os.path.normpath(self._prefix + segment + self._suffix)
        if inside.startswith(os.path.normpath(self._prefix) + (os.sep if self._prefix.endswith(os.sep) else "")):
            return inside
        return os.path.normpath(self._prefix + os.sep + os.path.normpath(os.sep + segment + self._suffix))

    async def _append(self, files: Mapping[str, Sequence[Telemetry]]) -> WriteResult:
        done: list[tuple[Output, int]] = []
        path = self._settings.path
        async with self._writing:
            try:
                for path, parts in files.items():
                    output = await self._output(path)
                    done.append((output, await asyncio.to_thread(self._write, output, parts)))
            except (OSError, ValueError) as error:
                for output, began in reversed(done):
                    await asyncio.to_thread(output.take_back, began)
                if isinstance(error, ValueError):
                    return WriteResult(refused=str(error))
                reason = f"cannot write {path}: {error.strerror}"
                if self._settings.groups and error.errno in _IMPOSSIBLE:
                    return WriteResult(refused=reason)
                return WriteResult(retry=reason)
        return WRITTEN

    def _write(self, output: Output, parts: Sequence[Telemetry]) -> int:
        body = merged(one.body for one in parts)
        if self._settings.format == "json":
            body = as_json(parts[0].signal, body) + b"\n"
        return output.append(body)

    async def _output(self, path: str) -> Output:
        output = self._outputs.get(path)
        if output is None:
            while len(self._outputs) >= self._settings.group_by.max_open_files:
                _, unused = self._outputs.popitem(last=False)
                await asyncio.to_thread(unused.close)
            output = self._outputs[path] = Output(Path(path), self._settings)
        self._outputs.move_to_end(path)
        return output


class TelemetryFileExporter(RawExporter):
    """Writes bodies of one signal."""

    name = "file"

    def __init__(self, files: TelemetryFiles, signal: Signal) -> None:
        self._files = files
        self.signal = signal

    async def start(self) -> None:
        """Open the file. Raises `StoreError` when it cannot be written."""
        await self._files.start()

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Append the bodies as one message, or one for each file."""
        return await self._files.write(batch)

    async def close(self) -> None:
        """Close the files, when no other signal needs them."""
        await self._files.close()
