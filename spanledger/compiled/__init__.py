"""Modules that are written in Python and compiled as they stand: those of the mapping, by mypyc.

What is compiled lies here and not beside the sources, so that these can be read, changed and run as they are: a package
whose modules were compiled looks here first, as long as what was compiled is what the sources say. Otherwise, and
with `SPANLEDGER_PLAIN_MAPPING` set to anything, the sources run. Both do the same; compiled code takes less CPU.

`setup.py` runs this file by its path, for `digest`: it imports nothing but the standard library.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
from pathlib import Path

PLAIN = "SPANLEDGER_PLAIN_MAPPING"
"""Environment variable that switches compiled modules off."""
_HERE = Path(__file__).parent
_SOURCES = ("mapping", "model")
"""Packages that compiled modules are made of, or know the types and constants of."""
MADE_OF = _HERE / "made_of"
"""Holds the digest of what was compiled."""


def digest(root: Path = _HERE.parent) -> str:
    """What the sources below a package say."""
    told = hashlib.blake2b(digest_size=16)
    for package in _SOURCES:
        for source in sorted((root / package).rglob("*.py")):
            told.update(f"{source.relative_to(root).as_posix()}\0".encode())
            told.update(source.read_bytes())
    return told.hexdigest()


def is_current(made_of: Path = MADE_OF) -> bool:
    """Whether what was compiled is what the sources say."""
    try:
        return made_of.read_text() == digest()
    except OSError:
        return False


@functools.cache
def why_not() -> str | None:
    """Why this process runs the sources; None where compiled modules take their place."""
    if os.environ.get(PLAIN):
        return f"{PLAIN} is set"
    try:
        importlib.import_module("spanledger.compiled.mapping__mypyc")
    except ImportError:
        return "the mapping was not compiled, as there was no C compiler"
    return None if is_current() else "the sources have changed since the mapping was compiled"


def in_use() -> bool:
    """Whether compiled modules take the place of their sources in this process."""
    return why_not() is None


def ahead_of(package: str, path: list[str]) -> list[str]:
    """Where a package finds its modules: `path` is where its sources are."""
    return [str(_HERE.joinpath(*package.split(".")[1:])), *path] if in_use() else path
