"""The log against a list: whatever happens in which order, each exporter is given what it has not passed, once, in the
order of the appends."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spanledger.errors import Overloaded
from spanledger.model.received import Encoding, Signal
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.base import Entry
from spanledger.pipeline.framing import crc32, frame
from spanledger.pipeline.log_view import LogView
from spanledger.pipeline.reserve import used
from spanledger.pipeline.segment import salt_of
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import FakeClock, bodies, request, trimmed

T = TypeVar("T")

NAMES = ("red", "green", "blue")
MAX_BYTES = 12_000
SEALED = b"\x89SLi"
"""The last bytes of a file that is finished."""


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = Path(tempfile.mkdtemp())
        self.number = 0
        self.appended: list[tuple[int, str]] = []
        self.cursors: dict[str, int] = {}
        self.clock = FakeClock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def directory(self) -> Path:
        return self.root / str(self.number)

    async def opened(self) -> DurableLog:
        log = DurableLog(
            FileStorageSettings(
                directory=self.directory,
                group_commit=0,
                segment_bytes=1_000,
                max_bytes=MAX_BYTES,
                min_free_bytes=0,
                warm_up=WarmUpSettings(max_entries=3),
            ),
            self.clock,
        )
        await log.open()
        return log

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def start(self, names: set[str]) -> None:
        self.log = self.run(self.opened())
        self.register(names)

    @rule(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6))
    def append(self, sizes: list[int]) -> None:
        """Together, as senders do."""

        async def together() -> list[int | BaseException]:
            senders = (self.log.append(request(text)) for text in texts)
            return await asyncio.gather(*senders, return_exceptions=True)

        texts = [f"span {len(self.appended) + n} {'x' * size}" for n, size in enumerate(sizes)]
        last = self.appended[-1][0] if self.appended else 0
        for text, outcome in zip(texts, self.run(together()), strict=True):
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, Overloaded), outcome
                continue
            assert outcome > last
            self.appended.append((outcome, text))
        self.appended.sort()  # near the bound one may wait for room while another one needs less

    @rule(name=st.sampled_from(NAMES), share=st.floats(0, 1))
    def deliver(self, name: str, share: float) -> None:
        if name not in self.cursors or not self.appended:
            return
        cursor = self.cursors[name]
        self.cursors[name] = cursor + round((self.appended[-1][0] - cursor) * share)
        self.run(self.log.save_cursors({name: self.cursors[name]}))

    @rule()
    def wait(self) -> None:
        self.run(trimmed(self.log, self.clock))

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def register(self, names: set[str]) -> None:
        slowest = min(self.cursors.values(), default=0)
        self.cursors = {name: self.cursors.get(name, slowest) for name in names}
        assert self.run(self.log.register(sorted(names))) == self.cursors

    @rule()
    def restart(self) -> None:
        self.run(self.log.close())
        self.log = self.run(self.opened())
        self.run(self.log.register(sorted(self.cursors)))

    @rule(torn=st.integers(0, 60))
    def crash(self, torn: int) -> None:
        """What is on the disk now is what the next start finds, and perhaps the beginning of one more entry."""
        before = self.directory
        self.number += 1
        shutil.copytree(before, self.directory)
        self.run(self.log.close())
        shutil.rmtree(before)
        paths = sorted(self.directory.glob("*.segment"))
        if paths and not paths[-1].read_bytes().endswith(SEALED):
            salt = salt_of(paths[-1])
            assert salt is not None
            entry = Entry(10**6, 1, "acme", Signal.TRACES, Encoding.PROTOBUF, b"x" * 100)
            with paths[-1].open("r+b") as file:
                file.seek(used(salt, 0, paths[-1].read_bytes()))
                file.write(frame(entry, crc32(salt))[:torn])
        self.log = self.run(self.opened())
        assert self.run(self.log.register(sorted(self.cursors))) == self.cursors

    @invariant()
    @precondition(lambda self: hasattr(self, "log"))
    def everybody_gets_what_is_missing(self) -> None:
        floor = min(self.cursors.values())
        for after in {*self.cursors.values()}:
            missing = [text for seq, text in self.appended if seq > after]
            assert self.run(bodies(self.log, after)) == missing
        size = sum(256 + len(text) for seq, text in self.appended if seq > floor)
        assert size <= self.log.status().bytes <= MAX_BYTES
        view = LogView(self.directory)
        assert {name: view.waiting(name).entries for name in self.cursors} == {
            name: sum(seq > cursor for seq, _ in self.appended) for name, cursor in self.cursors.items()
        }

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.run(self.log.close())
        self.runner.close()
        shutil.rmtree(self.root)


TestLog = LogMachine.TestCase
TestLog.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
