"""The Python process itself: event loop, allocator, garbage collector."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import platform
from collections.abc import Callable


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop where it is installed, which it is not on every platform."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def calm_allocator() -> None:
    """Let glibc give back what requests took. By default each thread that decodes or maps a large body has a heap of
    its own, and after the first body of some megabytes all further ones come out of these heaps, where what the
    mapping remembers stands between them: a seventh of resident memory after 100,000 spans."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)  # one is enough where one thread at a time runs Python
        libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""


def calm_collector() -> None:
    """Let the garbage collector disturb no request. What the start made stays for the life of the process and is not
    looked at again; a request makes thousands of objects without a cycle among them, and looking at these time and
    again (every 700, by default) costs a quarter of decoding."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
