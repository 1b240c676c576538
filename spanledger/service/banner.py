"""What a person at a terminal reads when everything runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spanledger._version import __version__
from spanledger.config import Config, Kind
from spanledger.config.rules import API, used

_DEFAULT_API: Final = "http://127.0.0.1:3333"
"""Where `spanledger runs` looks when it is not told."""


def banner(config: Config, shown: Mapping[str, str], seconds: float) -> str:
    """What a person at a terminal needs once everything runs. `shown`: name → where it listens."""
    width = max(map(len, shown), default=0)
    workers = f" with {config.workers} workers" if config.workers > 1 else ""
    lines = [f"spanledger {__version__} is ready{workers} after {seconds:.1f} s"]
    lines += [f"  {name:<{width}}  {address}" for name, address in shown.items()]
    for exporter in used(config, Kind.EXPORTERS).values():
        endpoint = getattr(exporter, "endpoint", None)
        if endpoint is not None:
            what = "passed on" if hasattr(exporter, "batch_bytes") else "ledger"
            lines.append(f"  {what:<{width}}  {endpoint}")
    http = next((address for name, address in shown.items() if name.endswith("HTTP")), None)
    if http is not None and "://" in http:
        here = http.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:")
        lines.append(f"Send to it:    export OTEL_EXPORTER_OTLP_ENDPOINT={here}")
    api = next((address for name, address in shown.items() if name.partition("/")[0] == API), None)
    if api is not None:
        here = api.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:")
        lines.append(f"Look at runs:  {_program()} runs{'' if here == _DEFAULT_API else f' --api {here}'}")
    return "\n".join(lines)


def _program() -> str:
    """How to call this program again from the same terminal."""
    called = sys.argv[0]
    if Path(called).name != "spanledger":
        return "python -m spanledger"
    found = shutil.which("spanledger")
    return "spanledger" if found and Path(found).samefile(called) else called
