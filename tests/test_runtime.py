from __future__ import annotations

import platform
from pathlib import Path

import pytest

from spanledger.service import give_back

MIB = 1024 * 1024


def resident() -> int:
    """Bytes of this process's memory that are its own."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give back what is free")
def test_what_is_free_between_what_is_kept_is_given_back() -> None:
    held = [b"x" * (64 * 1024) for _ in range(2_000)]
    kept = held[::16]
    before = resident()
    del held

    give_back()

    assert len(kept) == 125
    assert before - resident() > 50 * MIB
