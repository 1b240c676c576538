"""What is compiled. It is optional: without a C compiler everything installs, and plain Python does the same work.

The mapping is compiled from its own sources by mypyc, which comes with mypy; `spanledger.compiled` tells when it is
used.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED = [
    "spanledger.receiver.wire.compiled",
    "spanledger.exporters.regular",
    "spanledger.exporters.clickhouse.native",
]
AS_THEY_STAND = (
    "spanledger/mapping/*.py",
    "spanledger/mapping/messages/*.py",
    "spanledger/mapping/cost/price_list.py",
    "spanledger/mapping/cost/rate_card.py",
)
SOURCES_ONLY = {
    "__init__.py",  # tells where the other modules are
    "facts.py",  # a decoder makes its objects, and puts what it finds into their dictionaries
    # Seldom at work:
    "capture.py",
    "client_values.py",
    "gateway_log.py",
    "lunary_answers.py",
    "lunary_events.py",
    "lunary_join.py",
    "measurements.py",
    "scores.py",
}


def compiled_mapping() -> list[Extension]:
    """Extensions with the modules of the mapping; none where mypyc is missing, or knows better."""
    sources = [
        str(source)
        for pattern in AS_THEY_STAND
        for source in sorted(Path().glob(pattern))
        if source.name not in SOURCES_ONLY
    ]
    try:
        from mypyc.build import mypycify

        made: list[Extension] = mypycify(
            ["--config-file=", "--ignore-missing-imports", "--explicit-package-bases", *sources],
            group_name="spanledger.compiled.mapping",
            multi_file=True,
            opt_level="2",
            debug_level="0",
        )
    except (ImportError, SystemExit) as error:  # it exits when types are wrong
        print(f"the mapping is not compiled: {error}", file=sys.stderr)
        return []
    for extension in made:
        extension.include_dirs.append("build/spanledger/compiled")  # headers of a group with dots in its name
        extension.name = extension.name.replace("spanledger.mapping.", "spanledger.compiled.mapping.")
    for package in ("messages", "cost"):  # --inplace makes no folders
        Path("spanledger/compiled/mapping", package).mkdir(parents=True, exist_ok=True)
    compiled = runpy.run_path("spanledger/compiled/__init__.py")
    compiled["MADE_OF"].write_text(compiled["digest"]())
    return made


extensions = cythonize(
    [Extension(module, [f"{module.replace('.', '/')}.pyx"], extra_compile_args=["-O3"]) for module in COMPILED],
    build_dir="build",
)
extensions += compiled_mapping()
for extension in extensions:
    extension.optional = True  # here, because cythonize forgets it
setup(ext_modules=extensions)
