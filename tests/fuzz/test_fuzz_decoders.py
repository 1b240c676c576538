"""`make fuzz`: the compiled decoder meets spoiled bodies, and again with the address sanitizer watching."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.receiver.both_decoders import needs_compiled

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(SECONDS + 300), needs_compiled]


def fuzz(*arguments: str, **environment: str) -> str:
    command = [sys.executable, str(ROOT / "tests" / "fuzz" / "decoders.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr[-20_000:]
    return done.stdout


def test_both_decoders_agree_on_spoiled_bodies() -> None:
    assert int(fuzz(str(SECONDS * 2 / 3)).split()[0]) > 100


def test_the_compiled_decoder_stays_inside_of_its_memory(tmp_path: Path) -> None:
    library = libasan()
    if library is None:
        pytest.skip("no C compiler with an address sanitizer (libasan) is here")
    extension = build(tmp_path)
    # The interpreter does not give back what it holds at its end, and its own allocator hides what is out of bounds.
    watching = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    assert int(fuzz(str(SECONDS / 3), str(extension), **watching).split()[0]) > 100


def libasan() -> str | None:
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    told = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    return told if Path(told).is_absolute() and Path(told).exists() else None


def build(folder: Path) -> Path:
    """The compiled decoder, built apart from the installed one."""
    pytest.importorskip("Cython", reason="Cython is not installed")
    source = "spanledger/receiver/wire/compiled.pyx"
    target = folder / "compiled.c"
    subprocess.run([sys.executable, "-m", "cython", "-3", str(ROOT / source), "-o", str(target)], check=True, cwd=ROOT)
    extension = folder / f"compiled{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_path("include")
    flags = ["-shared", "-fPIC", "-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address", f"-I{include}"]
    subprocess.run(["gcc", *flags, str(target), "-o", str(extension)], check=True)
    return extension
