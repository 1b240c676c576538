"""spanledger: an OTLP receiver that keeps a ledger of LLM runs, model calls, usage and cost.

The public Python API maps recorded payloads without a server::

    import spanledger

    records = spanledger.map_files(["traces-1.pb", "logs-1.pb"])
    records = spanledger.map_otlp(traces=[body], logs=[body])

Both give a list of plain dicts as docs/run-model.md describes them, and as `spanledger map` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from spanledger._version import __version__

__all__ = ["__version__", "map_files", "map_otlp"]


def map_files(paths: Iterable[str | PathLike[str]], *, project_id: str = "default") -> list[dict[str, Any]]:
    """Map the files of one stream to records.

    Takes OTLP requests in protobuf (`.pb`), OTLP/JSON (`.json`, or `.jsonl` with one request a line) and bodies of
    Lunary's ingest. The signal is read from the content, or from the start of the file's name (`traces`, `logs`,
    `metrics`, `ingest`). Facts of late files complete the runs of early ones; the list holds each record once, in its
    final state.

    Raises `OSError` for a file that cannot be read and `spanledger.errors.PayloadError` for one that is no payload.
    """
    from spanledger.offline import OfflineMapper

    mapper = OfflineMapper(project_id)
    for path in paths:
        mapper.add_file(path)
    return mapper.records()


def map_otlp(
    traces: Sequence[bytes] = (),
    logs: Sequence[bytes] = (),
    metrics: Sequence[bytes] = (),
    *,
    project_id: str = "default",
) -> list[dict[str, Any]]:
    """Map the bodies of OTLP export requests (protobuf or JSON) to records, in their final state.

    Raises `spanledger.errors.PayloadError` for a body that is no export request.
    """
    from spanledger.model.received import Signal
    from spanledger.offline import OfflineMapper

    mapper = OfflineMapper(project_id)
    for signal, bodies in ((Signal.TRACES, traces), (Signal.LOGS, logs), (Signal.METRICS, metrics)):
        for body in bodies:
            mapper.add_body(signal, body)
    return mapper.records()
