"""Threads: the sessions that runs of any number of traces share."""

from __future__ import annotations


def thread_version(started_at: int, user_id: str | None) -> int:
    """Version of the thread record that a run makes.

    The earliest run of a session makes its thread, in whatever order its traces arrive: an earlier start is a higher
    version, a known user higher still. Below 2^53, which JavaScript can count to.
    """
    return 2 * max(0, (1 << 52) - started_at // 1000) + (user_id is not None)
