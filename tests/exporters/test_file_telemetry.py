"""The exporter `file` with telemetry as it came."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pydantic import ValidationError

from spanledger.exporters.base import WRITTEN, Rejection, WriteResult
from spanledger.exporters.file import FileSettings, TelemetryFiles
from spanledger.model.received import Signal, Telemetry
from tests.exporters.test_file import messages
from tests.receiver import bodies

MISSING = "its resource has no text as fileexporter.path_segment, by which files are named"


def traces(name: str, segment: object = None) -> Telemetry:
    resource = {"fileexporter.path_segment": segment} if segment is not None else {"service.name": "shop"}
    return Telemetry("acme", Signal.TRACES, bodies.traces(bodies.span(name), resource=resource))


async def write(path: Path | str, *batches: list[Telemetry], **keys: Any) -> list[WriteResult]:
    files = TelemetryFiles(FileSettings.model_validate({"path": str(path), **keys}))
    exporter = files(Signal.TRACES)
    await exporter.start()
    try:
        return [await exporter.write(batch, "") for batch in batches]
    finally:
        await exporter.close()


def names_in_lines(path: Path) -> list[list[str]]:
    found = []
    for line in path.read_text().splitlines():
        groups = json.loads(line)["resourceSpans"]
        found.append([span["name"] for group in groups for scope in group["scopeSpans"] for span in scope["spans"]])
    return found


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_line_of_json_for_each_write(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.json"
    assert await write(path, [traces("a"), traces("b")], [traces("c")], content="telemetry") == [WRITTEN, WRITTEN]
    assert names_in_lines(path) == [["a", "b"], ["c"]]
    (span,) = json.loads(path.read_text().splitlines()[1])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["traceId"] == bodies.TRACE_ID


@pytest.mark.parametrize("compression", ["none", "zstd"])
async def test_messages_of_protobuf_behind_their_lengths(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "out.pb"
    batches = [[traces("a"), traces("b")], [traces("c")]]
    await write(path, *batches, format="proto", compression=compression)
    found = messages(path)
    if compression == "zstd":
        found = [zstandard.ZstdDecompressor().decompress(one) for one in found]
    assert found == [b"".join(one.body for one in batch) for batch in batches]


async def test_a_message_that_a_crash_left_unfinished_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.pb"
    await write(path, [traces("a")], format="proto")
    whole = path.read_bytes()
    for torn in (whole[:2], whole[:-1]):
        path.write_bytes(whole + torn)
        await write(path, [traces("b")], format="proto")
        assert messages(path) == [traces("a").body, traces("b").body]
        path.write_bytes(whole)


async def test_compressed_json_stands_behind_its_length(tmp_path: Path) -> None:
    path = tmp_path / "out.json.zst"
    await write(path, [traces("a")], content="telemetry", compression="zstd")
    (message,) = messages(path)
    assert json.loads(zstandard.ZstdDecompressor().decompress(message))["resourceSpans"]


async def test_all_signals_share_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.pb"
    path.write_bytes(b"what was there before")
    files = TelemetryFiles(FileSettings.model_validate({"path": str(path), "format": "proto", "append": False}))
    exporters = [files(signal) for signal in Signal]
    await asyncio.gather(*(exporter.start() for exporter in exporters))
    bodies_of = [f"{number}".encode() * 5000 for number in range(30)]
    for at in range(0, 30, 3):
        await asyncio.gather(
            *(
                exporter.write([Telemetry("acme", signal, bodies_of[at + number])], "")
                for number, (exporter, signal) in enumerate(zip(exporters, Signal, strict=True))
            )
        )
    for exporter in exporters:
        await exporter.close()
    assert sorted(messages(path)) == sorted(bodies_of)


async def test_a_file_for_each_value_of_an_attribute(tmp_path: Path) -> None:
    batches = [[traces("a", "one"), traces("b", "two/deep")], [traces("c", "one")]]
    group_by = {"enabled": True, "max_open_files": 1}
    assert await write(tmp_path / "*.pb", *batches, format="proto", group_by=group_by) == [WRITTEN, WRITTEN]
    assert messages(tmp_path / "one.pb") == [traces("a", "one").body, traces("c", "one").body]
    assert messages(tmp_path / "two" / "deep.pb") == [traces("b", "two/deep").body]


@pytest.mark.parametrize("segment", ["../../etc/passwd", "/../x", "..", "./../x", "a/../../b"])
async def test_no_value_leads_out_of_the_folder(tmp_path: Path, segment: str) -> None:
    folder = tmp_path / "data"
    assert await write(f"{folder}/*.json", [traces("a", segment)], group_by={"enabled": True}) == [WRITTEN]
    (file,) = files_below(tmp_path)
    assert folder in file.parents


async def test_what_has_no_place_is_rejected_and_the_rest_written(tmp_path: Path) -> None:
    path, group_by = tmp_path / "*.json", {"enabled": True}
    batch = [traces("a", "one"), traces("b"), traces("c", 7), traces("d", "one")]
    (answer,) = await write(path, batch, group_by=group_by)
    assert answer.rejected == (Rejection(1, MISSING), Rejection(2, MISSING))
    both = Telemetry("acme", Signal.TRACES, traces("e", "one").body + traces("f").body)
    (answer,) = await write(path, [both, traces("g", "one")], group_by=group_by)
    assert answer == WriteResult(refused=MISSING, stored=[1])
    assert names_in_lines(tmp_path / "one.json") == [["a", "d"], ["g"]]


async def test_a_name_that_no_file_can_have_is_refused_and_waits_for_nothing(tmp_path: Path) -> None:
    batch = [traces("a", "one"), traces("b", "x" * 5000)]
    (answer,) = await write(tmp_path / "*.json", batch, group_by={"enabled": True})
    assert answer.retry is None
    assert (answer.refused or "").endswith("File name too long")
    assert (tmp_path / "one.json").read_bytes() == b"", "what was written of the batch is taken back: it comes again"


async def test_a_full_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "out.pb"
    batches = [[Telemetry("acme", Signal.TRACES, bytes([65 + number]) * 600_000)] for number in range(3)]
    await write(path, *batches, format="proto", rotation={"max_megabytes": 1})
    assert sorted(message[:1] for file in files_below(tmp_path) for message in messages(file)) == [b"A", b"B", b"C"]
    assert len(files_below(tmp_path)) == 3


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"content": "records", "format": "proto"}, "format: proto is for telemetry"),
        ({"content": "records", "group_by": {"enabled": True}, "path": "a/*"}, "group_by is for telemetry"),
        ({"group_by": {"enabled": True}}, r"exactly one \* when group_by is enabled"),
        ({"group_by": {"enabled": True}, "path": "*/*"}, r"exactly one \* when group_by is enabled"),
        ({"group_by": {"enabled": True}, "path": "*.json"}, r"must not start with \*"),
        ({"directory_permissions": "rwx"}, "expected permissions in octal"),
    ],
)
def test_mistakes(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        FileSettings.model_validate({"path": "out.json", **keys})
