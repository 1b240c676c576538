"""The Python process itself: event loop, allocator, garbage collector."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import platform
import time
from collections.abc import Callable
from typing import Final


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop where it is installed, which it is not on every platform."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


_libc: Final = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def calm_allocator() -> None:
    """Let glibc give back what requests took. By default each thread that decodes or maps a large body has a heap of
    its own, and after the first body of some megabytes all further ones come out of these heaps, where what the
    mapping remembers stands between them: a seventh of resident memory after 100,000 spans."""
    if _libc is not None:
        _libc.mallopt(_M_ARENA_MAX, 1)  # one is enough where one thread at a time runs Python
        _libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


def give_back() -> None:
    """Let glibc give back the pages that are free between what is remembered: a third of its heap under load. By itself
    it does so at the heap's end alone."""
    if _libc is not None:
        _libc.malloc_trim(0)


async def keep_giving_back() -> None:
    """Do so as long as this runs, after a look for cycles among what is new: some hundred objects a second are held by
    nothing else. Both take some 10 ms, in which nobody allocates: they are done once in two seconds of work, and not at
    all while there is none."""
    worked, turn = time.process_time(), 0
    while True:
        await asyncio.sleep(_EVERY)
        if time.process_time() - worked >= _WORK:
            turn += 1
            gc.collect(1 if turn % _WHOLE else 2)
            await asyncio.to_thread(give_back)
            worked = time.process_time()


_EVERY, _WORK = 5.0, 2.0
"""Seconds of the clock, and CPU seconds."""
_WHOLE: Final = 100
"""Turns after which all objects are looked at."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""


def calm_collector() -> None:
    """Let the garbage collector disturb no request. What the start made stays for the life of the process and is not
    looked at again; a request makes thousands of objects without a cycle among them, and looking at these time and
    again (every 700, by default) costs a quarter of decoding. A request of 5,000 spans makes half a million: looking
    when there were 100,000 new ones cost a fifth of it, and nothing of a smaller one. `keep_giving_back` looks, too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, *gc.get_threshold()[1:])
