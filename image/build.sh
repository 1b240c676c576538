#!/bin/sh
# Installs spanledger with its dependencies into a folder that runs from where it stands:
#
#   image/build.sh TARGET [EXTRA ...]      extras: embedded, fast, kafka, postgres
#
# The Dockerfile calls it, and so do the tests. Needs Python 3.11 or newer; with a C compiler the decoder and the mapping
# are compiled, without one the slow path is installed. The result holds no pip, no caches and nothing that is written
# at run time.
set -eu

target=${1:?usage: image/build.sh TARGET [EXTRA ...]}
shift
extras=$(printf '%s\n' "$@" | paste -s -d , -)
checkout=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

# Compiled in a copy: builds of one checkout that run at the same time would remove each other's build folder.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
tar -C "$checkout" --exclude='*.so' --exclude=__pycache__ -cf - pyproject.toml setup.py constraints.txt README.md LICENSE \
    spanledger | tar -C "$source" -xf -

"$python" -m venv --upgrade-deps "$target" >/dev/null
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-cache-dir --no-compile \
    --constraint "$source/constraints.txt" "$source${extras:+[$extras]}"
# A container that cannot install anything cannot be made to.
"$target/bin/python" -m pip uninstall --quiet --yes setuptools wheel >/dev/null 2>&1 || true
"$target/bin/python" -m pip uninstall --quiet --yes pip
find "$target" -type d \( -name __pycache__ -o -name tests -path '*/site-packages/*/tests' \) -prune -exec rm -rf {} +
# Compiled once here: the tree is read-only when it runs. Hashes instead of times, so that a copy keeps them valid.
"$target/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$target/lib" ||
    echo 'some modules of dependencies are for other versions of Python and were not compiled' >&2

"$target/bin/spanledger" --version
