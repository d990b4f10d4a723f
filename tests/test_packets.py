"""The packet codecs: what goes in comes out, and whatever else comes is a ProtocolError."""

import datetime
import importlib
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.exceptions import ProtocolError, UnreadableData
from realtime.json import django_default
from realtime.protocol.attachments import MAX_ATTACHMENTS
from realtime.protocol.heads import read_common_head, read_head
from realtime.protocol.msgpack import MsgpackParser
from realtime.protocol.packets import (
    MAX_DEPTH,
    RESERVED_EVENTS,
    Packet,
    PacketType,
    Parser,
    Payload,
)
from realtime.protocol.text import JSONParser
from tests.fuzz.rules import feed

PLAIN, FAST = (
    JSONParser(importlib.import_module(name)) for name in ("realtime.json", "realtime.orjson")
)
MSGPACK = MsgpackParser(django_default)
PARSERS = [PLAIN, FAST, MSGPACK]
IDS = ["json", "orjson", "msgpack"]

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=datetime.UTC)

every_parser = pytest.mark.parametrize("parser", PARSERS, ids=IDS)
every_json = pytest.mark.parametrize("parser", PARSERS[:2], ids=IDS[:2])

# What JSON and msgpack hold alike.
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=20)
)
keys = st.text(max_size=5) | st.sampled_from(["num", "_placeholder"])


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


names = st.text(max_size=20).filter(lambda name: name not in RESERVED_EVENTS)
namespaces = st.sampled_from(["/", "/chat", "/chat/42", "/ü-1[2]{3}"])
ack_ids = st.none() | st.integers(0, 10**16 - 1)


def arrays(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(nested(leaves), max_size=4)


def events(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Packet]:
    data = st.tuples(names, arrays(leaves)).map(lambda pair: [pair[0], *pair[1]])
    return st.builds(Packet, st.just(PacketType.EVENT), namespaces, data, ack_ids)


def acks(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Packet]:
    ids = st.integers(0, 10**16 - 1)
    return st.builds(Packet, st.just(PacketType.ACK), namespaces, arrays(leaves), ids)


connects = st.builds(
    Packet,
    st.just(PacketType.CONNECT),
    namespaces,
    st.none() | st.dictionaries(st.text(max_size=5), nested(scalars), max_size=4),
    st.none(),
)
disconnects = st.builds(Packet, st.just(PacketType.DISCONNECT), namespaces, st.none(), st.none())


def decode(parser: Parser, *messages: Payload) -> list[Packet]:
    decoder = parser.decoder()
    return [packet for message in messages if (packet := decoder.feed(message)) is not None]


def attachments(value: Any) -> int:
    if isinstance(value, list | dict):
        return sum(map(attachments, value.values() if isinstance(value, dict) else value))
    return isinstance(value, bytes)


def has_look_alike(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("_placeholder") is True or any(map(has_look_alike, value.values()))
    return isinstance(value, list) and any(map(has_look_alike, value))


# There and back


@every_parser
@given(packet=events(scalars) | acks(scalars) | connects | disconnects)
@settings(max_examples=150)
def test_packets_come_back_as_they_were(parser: Parser, packet: Packet) -> None:
    assert decode(parser, *parser.encode(packet)) == [packet]


@every_parser
@given(packet=events(scalars | st.binary(max_size=8)) | acks(scalars | st.binary(max_size=8)))
@settings(max_examples=150)
def test_binary_packets_come_back_or_are_refused(parser: Parser, packet: Packet) -> None:
    count = attachments(packet.data)
    if parser is MSGPACK or (
        count <= MAX_ATTACHMENTS and not (count and has_look_alike(packet.data))
    ):
        assert decode(parser, *parser.encode(packet)) == [packet]
    else:
        with pytest.raises(ValueError, match=r"at most|_placeholder"):
            parser.encode(packet)


@every_json
@given(
    packets=st.lists(events(scalars | st.binary(max_size=4)), max_size=5).filter(
        lambda packets: all(
            attachments(packet.data) <= MAX_ATTACHMENTS and not has_look_alike(packet.data)
            for packet in packets
        )
    )
)
@settings(max_examples=60)
def test_packets_in_a_row_come_back_in_order(parser: Parser, packets: list[Packet]) -> None:
    messages = [message for packet in packets for message in parser.encode(packet)]
    assert decode(parser, *messages) == packets


@every_json
@given(packet=events(scalars | st.binary(max_size=4)))
@settings(max_examples=100)
def test_json_packets_are_text_that_any_web_server_can_send(parser: Parser, packet: Packet) -> None:
    try:
        text, *rest = parser.encode(packet)
    except ValueError:
        return
    assert isinstance(text, str) and text.encode()
    assert all(isinstance(message, bytes) for message in rest)


# What clients may send: packets, or ProtocolError and nothing else

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
pieces = st.sampled_from(
    [
        *("0", "1", "2", "3", "4", "5", "6", "51-", "52-", "510-", "60-", "5-1-"),
        *("/", "/chat", ",", "/chat,", "?", "12", "-1", "007", "99999999999999999"),
        *("[", "]", "{", "}", '"', ":", "\\", "\\ud800", "null", "true", "NaN", "Infinity"),
        *("1e400", "-0", "1.5", "9" * 400, "[" * 120, "]" * 120, '{"a":' * 120),
        *('["echo"]', '"connect"', '["connect",{}]', "[]", "{}", "[1]", '[""]'),
        *('["a",{"_placeholder":true,"num":0}]', '{"_placeholder":true,"num":', "0}", "-1}", "1}"),
    ]
)
almost = st.lists(pieces, max_size=8).map("".join)
streams = st.lists(texts | almost | st.binary(max_size=8), max_size=6)


@every_json
@given(stream=streams)
@example(stream=['51-["a",{"_placeholder":true,"num":0}]', b"x", '2["a"]'])
@example(stream=['51-["a",{"_placeholder":true,"num":-1}]', b"x"])
@example(stream=['51-[{"_placeholder":true,"num":0}]', b"connect"])
@settings(max_examples=400)
def test_json_decoder_takes_anything(parser: Parser, stream: list[Payload]) -> None:
    feed(parser, stream)


maps = st.fixed_dictionaries(
    {},
    optional={
        "type": st.integers(-1, 8) | scalars,
        "nsp": st.sampled_from(["/", "/chat", "", "?", "chat", "/\ud800"]) | scalars,
        "data": nested(scalars | st.binary(max_size=4)),
        "id": st.integers(-1, 3) | scalars,
    },
)


def packed(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return data


@given(
    stream=st.lists(st.binary(max_size=60) | maps.map(packed) | texts, max_size=4)
    | st.tuples(maps.map(packed), st.integers(0, 60)).map(lambda cut: [cut[0][: cut[1]]])
)
@example(stream=[b"\x91" * 2000 + b"\xc0"])
@example(stream=[b"\xdd\xff\xff\xff\xff"])
@example(stream=[b"\xdf\xff\xff\xff\xff"])
@example(stream=[b"\xc6\xff\xff\xff\xff"])
@example(stream=[b"\x82\xa4type\x02\xa4data\x92\xa1a\xc7\x0c\xff" + b"\xff" * 12])
@example(stream=[packed({"type": 2, "data": ["a", msgpack.ExtType(5, b"x")]})])
@example(stream=[packed({"type": 1, "id": 1, "more": msgpack.ExtType(5, b"x")})])
@example(stream=[packed({"type": True, "data": ["a"]})])
@example(stream=[packed({"type": 2, "nsp": "chat", "data": ["a"]})])
@settings(max_examples=400)
def test_msgpack_decoder_takes_anything(stream: list[Payload]) -> None:
    feed(MSGPACK, stream)


@every_parser
@given(packet=events(scalars | st.binary(max_size=8)), data=st.data())
@settings(max_examples=150)
def test_a_packet_with_one_byte_changed_is_a_packet_or_refused(
    parser: Parser, packet: Packet, data: st.DataObject
) -> None:
    try:
        messages = list(parser.encode(packet))
    except ValueError:
        return
    chosen = data.draw(st.integers(0, len(messages) - 1))
    raw = messages[chosen]
    changed = bytearray(raw.encode() if isinstance(raw, str) else raw) or bytearray(1)
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    messages[chosen] = changed.decode(errors="replace") if isinstance(raw, str) else bytes(changed)
    feed(parser, messages)


@every_parser
@given(packet=events(scalars | st.binary(max_size=4)))
@settings(max_examples=100)
def test_what_was_received_can_be_sent_on(parser: Parser, packet: Packet) -> None:
    """No client can send what makes a handler that passes it on fail."""
    try:
        [received] = decode(parser, *parser.encode(packet))
    except ValueError:
        return
    assert decode(parser, *parser.encode(received)) == [received]


# The form, as the specification shows it


@every_json
@pytest.mark.parametrize(
    ("packet", "messages"),
    [
        (Packet(PacketType.CONNECT), ("0",)),
        (Packet(PacketType.CONNECT, "/admin", {"sid": "x"}), ('0/admin,{"sid":"x"}',)),
        (Packet(PacketType.DISCONNECT, "/admin"), ("1/admin,",)),
        (Packet(PacketType.EVENT, "/", ["foo"]), ('2["foo"]',)),
        (Packet(PacketType.EVENT, "/admin", ["foo"], 13), ('2/admin,13["foo"]',)),
        (Packet(PacketType.ACK, "/", [], 12), ("312[]",)),
        (Packet(PacketType.CONNECT_ERROR, "/", {"message": "no"}), ('4{"message":"no"}',)),
        (
            Packet(PacketType.EVENT, "/", ["baz", b"\1", {"a": [b"\2"]}], 14),
            (
                '52-14["baz",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]',
                b"\1",
                b"\2",
            ),
        ),
        (
            Packet(PacketType.ACK, "/admin", [bytearray(b"\1")], 15),
            ('61-/admin,15[{"_placeholder":true,"num":0}]', b"\1"),
        ),
    ],
)
def test_json_packets_have_the_specified_form(
    parser: Parser, packet: Packet, messages: tuple[Payload, ...]
) -> None:
    assert parser.encode(packet) == messages


@every_json
def test_django_types_stand_beside_binary_values(parser: Parser) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    number = uuid.UUID(int=7)
    data = ["a", moment, Decimal("1.50"), number, b"x", "\ud800", 2**70]
    text, attachment = parser.encode(Packet(PacketType.EVENT, "/", data))
    assert attachment == b"x"
    assert isinstance(text, str) and "\\ud800" in text
    values = json.loads(text.removeprefix("51-"))
    assert values[1:4] == ["2026-01-02T03:04:05Z", "1.50", str(number)]
    assert values[4:] == [{"_placeholder": True, "num": 0}, "\ud800", 2**70]


def test_msgpack_dates_of_javascript_are_datetimes() -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    message = msgpack.packb({"type": 2, "nsp": "/", "data": ["at", moment]}, datetime=True)
    [packet] = decode(MSGPACK, message)
    assert packet.data == ["at", moment]


# As notepack.io 2.2 writes them, the msgpack of the stock parser; tests/live has the parser itself.
NOTEPACK = {
    "undefined": (b"\xd4\x00\x00", None),
    "a date": (b"\xd7\x00" + (1767323045678).to_bytes(8), MOMENT),
    "a date before 1970": (b"\xd7\x00" + b"\xff" * 8, EPOCH - datetime.timedelta(milliseconds=1)),
    "an empty ArrayBuffer": (b"\xc7\x00\x00", b""),
    "an ArrayBuffer of one byte": (b"\xc7\x01\x00\x00", b"\0"),
    "an ArrayBuffer of eight bytes": (b"\xc7\x08\x00" + bytes(8), bytes(8)),
    "an ArrayBuffer of nine bytes": (b"\xc7\x09\x00" + bytes(9), bytes(9)),
    "an ArrayBuffer of 300 bytes": (b"\xc8\x01\x2c\x00" + bytes(300), bytes(300)),
    "an ArrayBuffer of 70,000 bytes": (b"\xc9\x00\x01\x11\x70\x00" + bytes(70_000), bytes(70_000)),
    "a Buffer": (b"\xc4\x08" + bytes(8), bytes(8)),
}


@pytest.mark.parametrize(("packed", "value"), NOTEPACK.values(), ids=NOTEPACK.keys())
def test_msgpack_values_of_javascript_are_what_they_were(packed: bytes, value: Any) -> None:
    head = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"
    # Texts and bytes that look like the heads of extensions are not taken for them.
    decoys = b"\xc4\x07\xc7\x01\x00\xc7\x08\x00\x01"
    event = head + b"\x95\xa1a" + decoys + packed + b"\x81\xa1k\x91" + packed + decoys
    decoy = decoys[2:]
    assert decode(MSGPACK, event)[0].data == ["a", decoy, value, {"k": [value]}, decoy]


@pytest.mark.parametrize("packed", [b"\xd7\x00\x7f" + b"\xff" * 7, b"\xd4\x05x", b"\xc7\x02\x05xy"])
def test_msgpack_extensions_that_mean_nothing_cost_the_event(packed: bytes) -> None:
    event = b"\x83\xa4type\x02\xa2id\x07\xa4data\x92\xa1a" + packed
    with pytest.raises(UnreadableData) as refused:
        decode(MSGPACK, event)
    assert (refused.value.packet.type, refused.value.packet.id) == (PacketType.EVENT, 7)


def test_msgpack_datetimes_are_dates_where_they_name_a_moment() -> None:
    [message] = MSGPACK.encode(Packet(PacketType.EVENT, "/", ["at", MOMENT]))
    assert isinstance(message, bytes) and b"\xd7\x00" in message
    assert decode(MSGPACK, message)[0].data == ["at", MOMENT]
    naive = MOMENT.replace(tzinfo=None)
    [message] = MSGPACK.encode(Packet(PacketType.EVENT, "/", ["at", naive, naive.date()]))
    assert decode(MSGPACK, message)[0].data == ["at", "2026-01-02T03:04:05.678", "2026-01-02"]


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf]])
def test_json_does_not_send_what_javascript_cannot_read(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        PLAIN.encode(Packet(PacketType.EVENT, "/", ["a", value]))


@every_parser
@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_reserved_names_are_not_sent(parser: Parser, name: str) -> None:
    with pytest.raises(ValueError, match="reserves"):
        parser.encode(Packet(PacketType.EVENT, "/", [name]))


@every_json
@pytest.mark.parametrize("kind", [PacketType.CONNECT, PacketType.CONNECT_ERROR])
def test_binary_data_is_for_events_and_acks_only(parser: Parser, kind: PacketType) -> None:
    with pytest.raises(TypeError, match="binary"):
        parser.encode(Packet(kind, "/", {"data": b"x"}))


@every_parser
@pytest.mark.parametrize(("depth", "fine"), [(MAX_DEPTH - 1, True), (MAX_DEPTH + 1, False)])
def test_nesting_has_an_end(parser: Parser, depth: int, fine: bool) -> None:
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    messages = parser.encode(Packet(PacketType.EVENT, "/", ["a", value]))
    if fine:
        assert decode(parser, *messages)
    else:
        with pytest.raises(ProtocolError, match="nested"):
            decode(parser, *messages)


@every_parser
def test_what_was_sent_can_be_read_however_nested(parser: Parser) -> None:
    value: Any = b"x"
    for _ in range(200):
        value = [value]
    decoder = parser.decoder(is_own=True)
    *_, packet = map(decoder.feed, parser.encode(Packet(PacketType.EVENT, "/", ["a", value])))
    assert packet is not None and packet.data == ["a", value]


@every_json
def test_brackets_in_a_text_are_no_nesting(parser: Parser) -> None:
    packet = Packet(PacketType.EVENT, "/", ["a", "[{" * 500])
    assert decode(parser, *parser.encode(packet)) == [packet]


@every_json
@pytest.mark.parametrize("digits", [310, 2000, 5000, 100_000])
def test_integers_end_where_those_of_javascript_do(parser: Parser, digits: int) -> None:
    with pytest.raises(ProtocolError):
        decode(parser, f'2["a",{"1" * digits}]')


@every_json
@pytest.mark.parametrize("number", [2**53, -(2**63), 2**64 - 1])
def test_integers_of_64_bits_are_exact(parser: Parser, number: int) -> None:
    assert decode(parser, f'2["a",{number}]') == [Packet(PacketType.EVENT, "/", ["a", number])]


# What most packets are has a way of its own, which is only a shorter one

heads = st.lists(st.sampled_from([*"0123456789-/,?[ abc", "٣", "²", "9" * 15]), max_size=8)


@given(kind=st.sampled_from("23"), head=heads.map("".join), data=almost | st.just('["a"]'))
@settings(max_examples=400)
def test_the_short_way_to_an_events_head_leads_where_the_long_one_does(
    kind: str, head: str, data: str
) -> None:
    message = kind + head + data
    short = read_common_head(message)
    if short is not None:
        id, at = short
        assert (PacketType.EVENT, "/", id, 0, at) == read_head(message)


@pytest.mark.parametrize("message", ['2["a"]', '20["a"]', f'2{"9" * 16}["a"]', '2007["a"]'])
def test_an_event_of_the_default_namespace_takes_the_short_way(message: str) -> None:
    assert read_common_head(message) is not None


@pytest.mark.parametrize("message", ['2/a,["a"]', f'2{"9" * 17}["a"]', '2٣["a"]', "2", '3["a"]'])
def test_every_other_packet_takes_the_long_way(message: str) -> None:
    assert read_common_head(message) is None
