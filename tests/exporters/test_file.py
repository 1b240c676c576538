from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

from spanledger.errors import StoreError
from spanledger.exporters.base import WRITTEN, Rejection
from spanledger.exporters.file import FileExporter, FileSettings, RotationSettings
from spanledger.model.records import Record
from tests.exporters.records import as_json, make_run, make_score


async def write(settings: FileSettings, *batches: list[Record]) -> None:
    exporter = FileExporter(settings)
    await exporter.start()
    for number, batch in enumerate(batches):
        assert await exporter.write(batch, str(number)) == WRITTEN
    await exporter.close()


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def messages(path: Path) -> list[bytes]:
    """What stands behind each length."""
    data, found = path.read_bytes(), []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[4:end])
        data = data[end:]
    return found


def decompress(message: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(message)


async def test_records_become_the_lines_that_map_prints(tmp_path: Path) -> None:
    run = make_run(name="ünïcödé\n")
    score = make_score(run, "thumb", "up")
    path = tmp_path / "deep" / "runs.jsonl"

    await write(FileSettings(path=str(path)), [run], [score])

    assert lines(path) == [as_json(run), as_json(score)]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("append", "expected"), [(True, ["old", "new"]), (False, ["new"])])
async def test_a_file_that_is_there_is_continued_or_emptied(tmp_path: Path, append: bool, expected: list[str]) -> None:
    path = tmp_path / "runs.jsonl"
    await write(FileSettings(path=str(path)), [make_run(name="old")])

    await write(FileSettings(path=str(path), append=append), [make_run(name="new")])

    assert [line["name"] for line in lines(path)] == expected


async def test_a_line_that_a_crash_left_unfinished_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text('{"record":"run","na')

    await write(FileSettings(path=str(path)), [make_run(name="new")])

    broken, whole = path.read_text().splitlines()
    assert broken == '{"record":"run","na'
    assert json.loads(whole)["name"] == "new"


async def test_a_record_that_json_cannot_hold_is_rejected_alone(tmp_path: Path) -> None:
    exporter = FileExporter(FileSettings(path=str(tmp_path / "runs.jsonl")))
    await exporter.start()

    result = await exporter.write([make_run(name="a"), make_run(input=object()), make_run(name="b")], "1")
    await exporter.close()

    assert result.rejected == [
        Rejection(1, "cannot be written as JSON: Encoding objects of type object is unsupported")
    ]
    assert [line["name"] for line in lines(tmp_path / "runs.jsonl")] == ["a", "b"]


async def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    await write(FileSettings(path=str(tmp_path / "runs.jsonl")), [make_run(name="a\ud800")])

    assert lines(tmp_path / "runs.jsonl")[0]["name"] == "a\ufffd"


async def test_a_full_file_is_set_aside_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "runs[1].jsonl"
    settings = FileSettings(path=str(path), rotation=RotationSettings(max_megabytes=1, max_backups=2), fsync=False)
    batches: list[list[Record]] = [[make_run(name=str(number), input="x" * 600_000)] for number in range(5)]

    await write(settings, *batches)

    backups = [tmp_path / name for name in os.listdir(tmp_path) if name != path.name]
    assert [line["name"] for line in lines(path)] == ["4"]
    assert sorted(line["name"] for backup in backups for line in lines(backup)) == ["2", "3"]


async def test_a_file_set_aside_goes_when_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    old, young = tmp_path / "runs-2026-01-01T00-00-00.jsonl", tmp_path / "runs-2026-01-03T00-00-00.jsonl"
    for backup, days in ((old, 3), (young, 1)):
        backup.write_text("{}\n")
        then = time.time() - days * 86_400
        os.utime(backup, (then, then))
    rotation = RotationSettings(max_megabytes=1, max_backups=0, max_days=2, localtime=True)

    batches: list[list[Record]] = [[make_run(name=str(number), input="x" * 600_000)] for number in range(2)]

    await write(FileSettings(path=str(path), rotation=rotation, fsync=False), *batches)

    assert not old.exists()
    assert young.exists()
    assert len(os.listdir(tmp_path)) == 3


async def test_compressed_lines_stand_behind_their_length(tmp_path: Path) -> None:
    path = tmp_path / "runs.zst"
    keys = {"compression": "zstd", "compression_params": {"level": 9}}
    settings = FileSettings.model_validate({"path": str(path), **keys})
    await write(settings, [make_run(name="a"), make_run(name="b")])
    path.write_bytes(path.read_bytes() + b"\x00\x00\x10\x00cut off")

    await write(settings, [make_run(name="c")])

    found = [json.loads(line)["name"] for part in messages(path) for line in decompress(part).splitlines()]
    assert found == ["a", "b", "c"]


async def test_a_write_that_fails_is_taken_back_and_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.jsonl"
    exporter = FileExporter(FileSettings(path=str(path)))
    await exporter.start()
    await exporter.write([make_run(name="first")], "1")

    real = os.write
    with monkeypatch.context() as full:
        left = [100]

        def write_some(file: int, data: bytes | memoryview) -> int:
            if not left:
                raise OSError(28, "No space left on device")
            return real(file, data[: left.pop()])

        full.setattr("spanledger.exporters.file.output.os.write", write_some)
        result = await exporter.write([make_run(name="second")], "2")

    assert result.retry == f"cannot write {path}: No space left on device"
    assert [line["name"] for line in lines(path)] == ["first"]
    assert await exporter.write([make_run(name="second")], "2") == WRITTEN
    await exporter.close()
    assert [line["name"] for line in lines(path)] == ["first", "second"]


async def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    exporter = FileExporter(FileSettings(path=str(tmp_path)))

    with pytest.raises(StoreError, match=f"^file: cannot write {tmp_path}: Is a directory$"):
        await exporter.start()
