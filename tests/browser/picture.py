"""A picture to send: hills at dusk, drawn here so that no file of unknown origin is needed."""

import math
import struct
import zlib

Colour = tuple[int, int, int]

SKY_TOP: Colour = (38, 44, 92)
SKY_LOW: Colour = (246, 170, 128)
SUN: Colour = (255, 236, 196)
# From the far hills to the near ones: height of the crest, its waves, colour.
HILLS: list[tuple[float, list[tuple[float, float, float]], Colour]] = [
    (0.58, [(0.05, 1.3, 0.4), (0.02, 4.1, 1.0)], (128, 92, 140)),
    (0.68, [(0.06, 0.9, 2.2), (0.02, 3.3, 0.3)], (82, 66, 122)),
    (0.80, [(0.05, 1.6, 4.0), (0.015, 5.2, 2.0)], (44, 42, 88)),
]


def hills_at_dusk(width: int = 960, height: int = 540) -> bytes:
    """The picture as a PNG file."""
    crests = [[crest_at(hill, x / width) * height for x in range(width)] for hill in HILLS]
    rows = []
    for y in range(height):
        row = bytearray(b"\0")
        for x in range(width):
            row += bytes(colour_at(x, y, width, height, [crest[x] for crest in crests]))
        rows.append(bytes(row))
    return png(width, height, b"".join(rows))


def crest_at(hill: tuple[float, list[tuple[float, float, float]], Colour], x: float) -> float:
    level, waves, _ = hill
    return level + sum(size * math.sin(math.tau * pace * x + shift) for size, pace, shift in waves)


def colour_at(x: int, y: int, width: int, height: int, crests: list[float]) -> Colour:
    for crest, (_, _, colour) in reversed(list(zip(crests, HILLS, strict=True))):
        if y >= crest:
            return colour
    sky = mix(SKY_TOP, SKY_LOW, min(1.0, y / height / 0.62))
    distance = math.hypot(x - width * 0.68, y - height * 0.42) / height
    if distance < 0.085:
        return SUN
    return mix(sky, SUN, 0.6 * math.exp(-((distance / 0.25) ** 2)))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def png(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
