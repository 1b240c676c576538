"""What `spanledger queue ls` and `cat` show of a log."""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from spanledger.errors import PayloadError
from spanledger.model.records import rfc3339
from spanledger.pipeline.base import Entry
from spanledger.pipeline.dead_letters import LetterFilter, LetterKind, StoredLetter, json_of
from spanledger.pipeline.letter_box import NAME as LETTERS
from spanledger.pipeline.letter_box import LetterBox
from spanledger.pipeline.log_view import LogView
from spanledger.service import decode_body

T = TypeVar("T")

_PAGE: Final = 100
_REASON: Final = 160


def described(directory: Path) -> dict[str, Any]:
    """A log as `ls --json` prints it."""
    view = LogView(directory)
    exporters = {}
    for name in sorted(view.cursors):
        waiting = view.waiting(name)
        exporters[name] = {
            "cursor": waiting.cursor,
            "waiting_entries": waiting.entries,
            "waiting_bytes": waiting.bytes,
            "oldest": None if waiting.oldest_ns is None else rfc3339(waiting.oldest_ns),
        }
    dead = Counter((one.letter.source, one.letter.reason) for one in letters(directory, LetterFilter()))
    return {
        "directory": str(directory),
        "used_by_process": view.holder,
        "entries": view.entries,
        "bytes": view.bytes,
        "last": view.last_seq,
        "exporters": exporters,
        "dead_letters": [
            {"source": source, "reason": reason, "count": count}
            for (source, reason), count in sorted(dead.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def listing(logs: list[dict[str, Any]], now_ns: int) -> Iterator[str]:
    """The same for people."""
    for log in logs:
        used = f"in use by process {log['used_by_process']}" if log["used_by_process"] else "not in use"
        yield f"{log['directory']}  ({used})"
        yield f"  {log['entries']:,} entries kept, {_size(log['bytes'])}"
        for name, exporter in log["exporters"].items():
            if not exporter["waiting_entries"]:
                yield f"  {name}: everything is delivered"
                continue
            age = "" if exporter["oldest"] is None else f", the oldest of {exporter['oldest'][:19]}Z"
            yield f"  {name}: {exporter['waiting_entries']:,} wait, {_size(exporter['waiting_bytes'])}{age}"
        total = sum(group["count"] for group in log["dead_letters"])
        yield f"  {total:,} dead letters{':' if total else ''}"
        for group in log["dead_letters"]:
            yield f"    {group['count']:,} × {group['source']}: {_short(group['reason'])}"


def letters(directory: Path, wanted: LetterFilter, limit: int | None = None) -> Iterator[StoredLetter]:
    """Dead letters, oldest first, a page at a time."""
    if not (directory / LETTERS).exists():
        return
    box = LetterBox(directory, 0, owner=False)
    try:
        after, left = 0, limit
        while left is None or left > 0:
            page = box.list(after, _PAGE if left is None else min(_PAGE, left), wanted)
            yield from page
            if not page:
                return
            after = page[-1].id
            left = None if left is None else left - len(page)
    finally:
        box.close()


def entries(directory: Path, wanted: LetterFilter, limit: int) -> Iterator[Entry]:
    """Entries of the log, oldest first. A filter by exporter leaves those that it has not written."""
    view = LogView(directory)
    if wanted.source is not None and wanted.source not in view.cursors:
        return
    after = 0 if wanted.source is None else view.cursors[wanted.source]
    found = (
        entry
        for entry in view.read(after)
        if (wanted.project_id is None or entry.project_id == wanted.project_id)
        and (wanted.before_ns is None or entry.received_ns < wanted.before_ns)
    )
    yield from itertools.islice(found, limit)


def entry_line(entry: Entry) -> str:
    """An entry in a line."""
    kind = f"{entry.signal}/{entry.encoding}"
    return f"{entry.seq}  {rfc3339(entry.received_ns)[:19]}Z  {entry.project_id}  {kind}  {_size(len(entry.body))}"


def entry_object(entry: Entry) -> str:
    """An entry as JSON, with its decoded items."""
    head: dict[str, Any] = {
        "seq": entry.seq,
        "received": rfc3339(entry.received_ns),
        "project_id": entry.project_id,
        "signal": entry.signal,
        "encoding": entry.encoding,
        "bytes": len(entry.body),
    }
    try:
        items = decode_body(entry.signal, entry.encoding, entry.body).items
    except PayloadError as error:
        return json.dumps({**head, "error": str(error)}, ensure_ascii=False)
    return msgspec.json.encode({**head, "items": [msgspec.Raw(json_of(item)) for item in items]}).decode()


def letter_line(stored: StoredLetter) -> str:
    """A dead letter in a line."""
    letter = stored.letter
    at = f"{rfc3339(stored.at_ns)[:19]}Z"
    return f"{stored.id}  {at}  {letter.source}  {letter.kind}  {letter.project_id}  {_short(letter.reason)}"


def letter_object(stored: StoredLetter) -> str:
    """A dead letter as JSON; a body is base64."""
    letter = stored.letter
    is_json = letter.kind is not LetterKind.ENTRY
    content = {"content": msgspec.Raw(letter.content)} if is_json else {"body": letter.content}
    return msgspec.json.encode(
        {
            "id": stored.id,
            "at": rfc3339(stored.at_ns),
            "kind": letter.kind,
            "source": letter.source,
            "reason": letter.reason,
            "project_id": letter.project_id,
            "seq": letter.seq,
            "content_type": letter.shown_type,
            **content,
        }
    ).decode()


def progress(pages: Sequence[T], doing: str) -> AbstractContextManager[Iterable[T]]:
    """Go through pages with a bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext(pages)
    return click.progressbar(pages, label=doing, file=sys.stderr)


def _size(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _REASON else f"{line[: _REASON - 1]}…"
