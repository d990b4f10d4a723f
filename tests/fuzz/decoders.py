"""Atheris on what a client's bytes meet first: websocket frames, the polling body, the decoders.

    python -m tests.fuzz.decoders json|orjson|msgpack|body|frames [seconds] [options of libFuzzer]

Needs atheris (the extra `fuzz`). What it learnt stays in .fuzz/ for the next run. Where a rule of
rules.py breaks, it ends and names the file with the input; that file as an option runs it again.
"""

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["realtime"]):
    from realtime.json import django_default
    from realtime.protocol.msgpack import MsgpackParser
    from realtime.protocol.packets import Payload
    from realtime.protocol.text import JSONParser
    from tests.fuzz.rules import check_passed_on, feed, payload_messages
    from tests.fuzz.websockets import KINDS, compare, cut, frame

PLAIN = JSONParser(importlib.import_module("realtime.json"))
MSGPACK = MsgpackParser(django_default)
KEPT = Path(__file__).parents[2] / ".fuzz"
ONE = b'{"_placeholder":true,"num":0}'
SEEDS = {
    "text": [
        b'0{"token":1}\n2["echo",1.5,"\\ud800",{"a":[null,true]}]\n31[]\n1',
        b'0/chat,\n2/chat?a=b,12["echo"]\n1/chat,',
        b'51-["a",' + ONE + b']\nbxyz\n61-7[[{"b":' + ONE + b"}]]\nb",
        b'2["connect",{}]\n450-[]\n4{"message":1}\n2["a",NaN,1e400]',
    ],
    "msgpack": [
        b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa4echo\xc4\x02\1\2\xa2id\x07",
        b"\x82\xa4type\x00\xa3nsp\xa5/chat",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1a\xd4\0\0\xd6\xff\0\0\0\1",
    ],
    "frames": [
        b"\xff" + frame(0x81, b"4hello") + frame(0x89, b"?") + frame(0x81, b"4" * 200),
        b"\7" + frame(0x01, b"4a") + frame(0x80, b"b") + frame(0x81, b"4pause") + frame(0x82, b"c"),
        b"\xff" + frame(0x81, b"4close") + frame(0x88, b"\3\xe8") + frame(0x81, b"4\xff"),
        b"\xff" + frame(0xC1, b"4a") + frame(0x81, b"4b", form=8) + frame(0x81, b"4c", mask=None),
    ],
    "body": [b'42["echo"]\x1ebAQID\x1e3\x1e6', b"40\x1e41", b'451-["a",' + ONE + b"]\x1ebAQID"],
}


def messages(data: bytes) -> list[Payload]:
    """Lines: one that begins with "b" is a binary message, others are texts."""
    return [
        line[1:] if line.startswith(b"b") else line.decode(errors="replace")
        for line in data.split(b"\n")
    ]


def json(data: bytes) -> None:
    check_passed_on(PLAIN, feed(PLAIN, messages(data)))


def orjson(data: bytes) -> None:
    parser = JSONParser(importlib.import_module("realtime.orjson"))
    feed(parser, messages(data))


def msgpack(data: bytes) -> None:
    feed(MSGPACK, [data])


def frames(data: bytes) -> None:
    """The size of the reads, then the stream; each server's reader beside its own parser."""
    logging.disable()  # each fault of the stream is worth a line, and a traceback of uvicorn's
    for kind in KINDS:
        asyncio.run(compare(kind, cut(data[1:], [*data[:1]])))


def body(data: bytes) -> None:
    check_passed_on(PLAIN, feed(PLAIN, payload_messages(data)))


TARGETS: dict[str, tuple[Callable[[bytes], None], str]] = {
    "json": (json, "text"),
    "orjson": (orjson, "text"),
    "msgpack": (msgpack, "msgpack"),
    "body": (body, "body"),
    "frames": (frames, "frames"),
}


def main(name: str, *arguments: str) -> None:
    target, seeds = TARGETS[name]
    options = list(arguments)
    if options and options[0].isdigit():
        options[0] = f"-max_total_time={options[0]}"
    corpus = KEPT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[seeds]):
        (corpus / f"seed-{number}").write_bytes(seed)
    if all(option.startswith("-") for option in options):  # and not a file to run again
        options.append(str(corpus))
    atheris.Setup([sys.argv[0], "-timeout=10", f"-artifact_prefix={KEPT}/", *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz.decoders {'|'.join(TARGETS)} [seconds]")
    main(*sys.argv[1:])
