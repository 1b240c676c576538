"""Bodies spoiled at random, the way a fuzzer does it."""

from __future__ import annotations

import random

_TELLING = (0x00, 0x01, 0x07, 0x0A, 0x12, 0x7F, 0x80, 0xC0, 0xED, 0xFF)


def mutated(body: bytes, generator: random.Random) -> bytes:
    """The body after one to four changes: bytes flipped, replaced, cut out, repeated or moved."""
    data = bytearray(body)
    for _ in range(generator.randint(1, 4)):
        if not data:
            break
        at = generator.randrange(len(data))
        size = min(generator.choice((1, 1, 2, 4, 16, 64)), len(data) - at)
        match generator.randrange(6):
            case 0:
                data[at] ^= 1 << generator.randrange(8)
            case 1:
                data[at] = generator.choice(_TELLING)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                to = generator.randrange(len(data))
                data[to:to] = data[at : at + size]
            case _:
                data[at : at + size] = generator.randbytes(size)
    return bytes(data)
