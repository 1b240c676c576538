"""Spoils recorded bodies for a while and gives them to both protobuf decoders, and in JSON to both ways of reading it:
`python tests/fuzz/decoders.py SECONDS`.

With a second argument, the compiled decoder in that file is used, and is given the bodies alone: the plain one would
take most of the time, and what counts then is what the address sanitizer sees.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

RECORDED = Path(__file__).parents[1] / "corpus"
_LONGEST = 30_000
"""Bytes of a body that are kept: short bodies are spoiled more often in the same time."""


def load(file: str) -> None:
    """Put an extension module in the place of the installed one."""
    name = "spanledger.receiver.wire.compiled"
    sys.modules[name] = None  # type: ignore[assignment]  # the package shall not load the installed one meanwhile
    import spanledger.receiver.wire

    assert not spanledger.receiver.wire.COMPILED
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def main(seconds: float, extension: str | None = None) -> None:
    if extension is not None:
        load(extension)
    from spanledger.errors import PayloadError
    from spanledger.exporters.messages import as_json
    from spanledger.mapping import KEYS
    from spanledger.model.received import Signal
    from spanledger.receiver.wire import DEFAULT_LIMITS
    from tests.fuzz.mutation import mutated
    from tests.receiver.both_decoders import assert_same, assert_same_json, compiled_decoder

    recorded = sorted(RECORDED.glob("*/*.pb"))
    bodies = [file.read_bytes()[:_LONGEST] for file in recorded]
    in_json = [as_json(Signal.TRACES, file.read_bytes()) for file in recorded if file.name.startswith("traces")]
    in_json = [body for body in in_json if len(body) <= _LONGEST]
    decode = compiled_decoder()
    seed = time.time_ns()
    generator = random.Random(seed)
    until = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < until:
        body = mutated(generator.choice(bodies), generator)
        signal = generator.choice((Signal.TRACES, Signal.LOGS))
        tried += 1
        if extension is None:
            spoiled = mutated(generator.choice(in_json), generator)
            assert_same_json(Signal.TRACES, spoiled, hint=f"seed {seed}, body {tried}: {spoiled!r}")
            assert_same(signal, body, hint=f"seed {seed}, body {tried}: {body.hex()}")
            continue
        with contextlib.suppress(PayloadError):
            decode(signal, body, KEYS, DEFAULT_LIMITS)
    print(f"{tried} bodies, seed {seed}")


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
