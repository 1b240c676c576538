"""A store of its own process, for tests that kill it: arguments port and folder; says `ready` when it answers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.exporters.http_front import HttpFront


async def main(port: int, folder: Path) -> None:
    front = HttpFront(folder)
    front.asked = Forgetful()
    await front.start(port)
    print("ready", flush=True)
    await asyncio.Event().wait()


class Forgetful(list):  # type: ignore[type-arg]
    """The front remembers every request for the tests of the exporter; a store that runs for minutes must not."""

    def append(self, _: object) -> None:
        pass


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
