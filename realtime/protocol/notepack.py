"""What notepack, the msgpack of the stock client, writes in a way of its own. Pure.

It has one extension type, 0, for three things, and tells them apart by the length's form: a Date is
a `fixext 8`, `undefined` is a `fixext 1`, and an ArrayBuffer, in Node a Uint8Array too, is an `ext
8`, `ext 16` or `ext 32` (notepack.io 2.2, lib/encode.js). To Python's msgpack the forms are alike.
"""

import re

#: The extension type of notepack.
NOTEPACK = 0
#: What `told_apart` makes of an ArrayBuffer that could be taken for something else.
ARRAY_BUFFER = -100

_ambiguous = re.compile(rb"\xc7[\x01\x08]\x00")
_FIXED = {
    0: rb"[\x00-\x9f\xc0-\xc3\xe0-\xff]",  # containers too: what is in them just follows
    1: rb"[\xcc\xd0]",
    2: rb"[\xcd\xd1\xd4\xdc\xde]",
    3: rb"\xd5",
    4: rb"[\xca\xce\xd2\xdd\xdf]",
    5: rb"\xd6",
    8: rb"[\xcb\xcf\xd3]",
    9: rb"\xd7",
    17: rb"\xd8",
}
# Everything but what says its length in a number.
_tokens_of_known_length = re.compile(
    b"(?:"
    + b"|".join(
        [
            *(head + b".{%d}" % size for size, head in _FIXED.items()),
            *(b"\\x%02x.{%d}" % (0xA0 + size, size) for size in range(32)),
            # Nothing but speed: the loop below would take a turn for each.
            *(b"[\\xc4\\xd9]\\x%02x.{%d}" % (size, size) for size in range(16)),
        ]
    )
    + b")*+",
    re.DOTALL,
)
#: First byte -> how many bytes the length takes, and how many follow it beside the data.
_LENGTHS = {
    first + step: (1 << step, extra)
    for first, extra in ((0xC4, 0), (0xC7, 1), (0xD9, 0))  # bin, ext, str
    for step in range(3)
}


def told_apart(message: bytes) -> bytes:
    """The message with ARRAY_BUFFER as the type of ArrayBuffers of one byte and of eight."""
    if _ambiguous.search(message) is None:
        return message
    marked = bytearray(message)
    at = 0
    while True:
        known = _tokens_of_known_length.match(message, at)
        assert known is not None  # it matches at least the empty string
        at = known.end()
        if at >= len(message) or message[at] not in _LENGTHS:
            return bytes(marked)  # the end, or what msgpack will refuse
        size, extra = _LENGTHS[message[at]]
        if _ambiguous.match(message, at):
            marked[at + 2] = ARRAY_BUFFER % 256
        at += 1 + size + extra + int.from_bytes(message[at + 1 : at + 1 + size], "big")
