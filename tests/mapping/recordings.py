"""Recorded payloads: the small ones kept in tests/corpus, and the large collection beside the repository, if there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from spanledger.mapping import KEYS
from spanledger.model.received import Encoding, Item, Signal
from spanledger.receiver.wire import decode

KEPT = Path(__file__).parents[1] / "corpus"
COLLECTION = Path(__file__).parents[3] / "shared" / "corpus"

_ORDER = {"ingest": 0, "traces": 1, "logs": 2, "metrics": 3}


def case_files(folder: Path) -> list[Path]:
    """The bodies of a case in the order of arrival within their signal, spans first."""
    bodies = [path for path in folder.iterdir() if path.name.split("-")[0] in _ORDER]
    return sorted(bodies, key=lambda path: (_ORDER[path.name.split("-")[0]], int(re.findall(r"\d+", path.name)[-1])))


def otlp_items(files: Iterable[Path]) -> list[list[Item]]:
    """The decoded items of each OTLP request."""
    requests = []
    for path in files:
        signal = Signal(path.name.split("-")[0])
        encoding = Encoding.JSON if path.suffix == ".json" else Encoding.PROTOBUF
        requests.append(list(decode(signal, encoding, path.read_bytes(), KEYS).items))
    return requests


def ingest_events(path: Path) -> list[object]:
    """The events of a body of Lunary's ingest."""
    document = msgspec.json.decode(path.read_bytes())
    events = document["events"] if isinstance(document, dict) else document
    return list(events) if isinstance(events, list) else [events]
