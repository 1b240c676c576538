"""What is compiled. It is optional: without a C compiler everything installs, and plain Python does the same work."""

from __future__ import annotations

from Cython.Build import cythonize
from setuptools import Extension, setup


def extension(module: str) -> Extension:
    source = f"{module.replace('.', '/')}.pyx"
    return Extension(module, [source], optional=True, extra_compile_args=["-O3"])


setup(ext_modules=cythonize([extension("spanledger.receiver.wire.compiled")], build_dir="build"))
