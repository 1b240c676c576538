"""What is compiled. It is optional: without a C compiler everything installs, and plain Python does the same work."""

from __future__ import annotations

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED = [
    "spanledger.receiver.wire.compiled",
    "spanledger.exporters.regular",
    "spanledger.exporters.clickhouse.native",
]

extensions = cythonize(
    [Extension(module, [f"{module.replace('.', '/')}.pyx"], extra_compile_args=["-O3"]) for module in COMPILED],
    build_dir="build",
)
for extension in extensions:
    extension.optional = True  # here, because cythonize forgets it
setup(ext_modules=extensions)
