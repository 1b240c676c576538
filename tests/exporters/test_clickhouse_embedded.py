"""Rules of the embedded engine. What needs another folder runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from spanledger.errors import StoreError
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.connection import Connection
from tests.exporters.ledger import Ledger, opened
from tests.exporters.records import make_run

OPEN = """
from spanledger.errors import StoreError
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.connection import Connection

def open_store(endpoint):
    return Connection(ClickHouseSettings(endpoint=endpoint), timeout=30)
"""


def python(code: str, *arguments: str, cwd: Path | None = None) -> str:
    """Output of a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_second_process_is_told_who_holds_the_store(engine: str) -> None:
    said = python(
        """
        import sys
        try:
            open_store(sys.argv[1])
        except StoreError as error:
            print(error)
        """,
        engine,
    )

    folder = engine.removeprefix("chdb://")
    assert said == (
        f"another process (pid {os.getpid()}) holds the embedded store {folder}; one process can use it at a time"
    )


def test_a_second_folder_in_one_process_is_refused(engine: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"this process holds the embedded store .* can hold no second one"):
        Connection(ClickHouseSettings(endpoint=f"chdb://{tmp_path}/other"), timeout=30)


def test_a_folder_is_free_when_its_last_connection_is_closed(tmp_path: Path) -> None:
    said = python(
        """
        for folder in ("one", "two", "one"):
            first, second = open_store(f"chdb://./{folder}"), open_store(f"chdb://{folder}")
            first.close()
            print(second.query("SELECT 1"))
            second.close()
        """,
        cwd=tmp_path,
    )

    assert said == "[(1,)]\n[(1,)]\n[(1,)]"
    assert {folder.name for folder in tmp_path.iterdir()} == {"one", "two"}


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    endpoint = f"chdb://{tmp_path}/store"
    write = """
        import asyncio, os, signal, sys
        from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
        from spanledger.model.records import Run

        async def main():
            exporter = ClickHouseExporter(ClickHouseSettings(endpoint=sys.argv[1], runs_ttl_days=0))
            await exporter.start()
            run = Run(project_id="p", run_id="00000000-0000-8000-8000-000000000001", type="llm", started_at=1)
            assert (await exporter.write([run], "1")).retry is None
            print("written", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
        """
    killed = subprocess.run(
        [sys.executable, "-c", OPEN + textwrap.dedent(write), endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (killed.stdout, killed.returncode) == ("written\n", -9)

    said = python('import sys; print(open_store(sys.argv[1]).query("SELECT count() FROM spanledger.runs"))', endpoint)

    assert said == "[(1,)]"


def test_a_forked_process_is_warned_instead_of_hanging(tmp_path: Path) -> None:
    said = python(
        """
        import os, sys
        store = open_store(sys.argv[1])
        child = os.fork()
        if child == 0:
            try:
                store.query("SELECT 1")
            except StoreError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """,
        f"chdb://{tmp_path}/store",
    )

    assert said == "the embedded store was opened before this process was forked; start processes with spawn"


def test_without_the_package_the_extra_is_named(tmp_path: Path) -> None:
    said = python(
        """
        import sys
        sys.modules["chdb"] = None
        try:
            open_store(sys.argv[1])
        except StoreError as error:
            print(error)
        """,
        f"chdb://{tmp_path}/store",
    )

    assert said == (
        "the embedded store needs the package chdb: pip install 'spanledger[embedded]', "
        "or give the endpoint of a ClickHouse server"
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = python(
        """
        import sys
        try:
            open_store(sys.argv[1])
        except StoreError as error:
            print(error)
        """,
        f"chdb://{tmp_path}/file/store",
    )

    assert said == f"the folder of the embedded store cannot be used: Not a directory: {tmp_path}/file/store"


def test_nobody_else_can_read_the_store(engine: str) -> None:
    folder = Path(engine.removeprefix("chdb://"))

    private = [folder / "spanledger-tmp", folder / "spanledger.lock"]

    assert [path.stat().st_mode & 0o077 for path in private] == [0, 0]


async def test_contents_pass_through_a_private_folder_and_leave_nothing_there(ledger: Ledger) -> None:
    await ledger.write(make_run(input="secret"))

    folder = Path(ledger.exporter.settings.endpoint.removeprefix("chdb://")) / "spanledger-tmp"
    assert tempfile.gettempdir() == str(folder)
    assert list(folder.iterdir()) == []


def test_contents_that_a_crash_left_behind_are_removed_at_start(tmp_path: Path) -> None:
    left = tmp_path / "store" / "spanledger-tmp" / "tmpabc.native"
    left.parent.mkdir(parents=True)
    left.write_text("secret")

    python("import sys; open_store(sys.argv[1]).close()", f"chdb://{tmp_path}/store")

    assert not left.exists()


def test_the_engine_keeps_within_its_limits(engine: str) -> None:
    with opened(ClickHouseSettings(endpoint=engine)) as connection:
        limits = connection.query(
            "SELECT name, value FROM system.server_settings WHERE name IN "
            "('max_server_memory_usage', 'mark_cache_size', 'background_pool_size') ORDER BY name"
        )

    assert limits == [
        ("background_pool_size", "2"),
        ("mark_cache_size", str(128 * 1024 * 1024)),
        ("max_server_memory_usage", str(2048 * 1024 * 1024)),
    ]
