"""What holds whatever a client sends; for hypothesis and for atheris."""

from collections.abc import Iterable

from realtime.exceptions import ProtocolError, UnreadableData
from realtime.protocol.frames import decode_payload
from realtime.protocol.packets import RESERVED_EVENTS, Packet, PacketType, Parser, Payload


def check_packet(packet: Packet) -> None:
    """A packet that reached the server is one that a client may send."""
    kind, namespace, data, ack_id = packet
    assert namespace.startswith("/")
    assert ack_id is None or ack_id >= 0
    if kind == PacketType.EVENT:
        assert isinstance(data, list) and data and data[0] not in RESERVED_EVENTS
        assert isinstance(data[0], str | int | float) and not isinstance(data[0], bool)
    elif kind == PacketType.ACK:
        assert isinstance(data, list)
    else:
        assert kind in (PacketType.CONNECT, PacketType.DISCONNECT)
        assert data is None or (kind == PacketType.CONNECT and isinstance(data, dict))


def feed(parser: Parser, messages: Iterable[Payload]) -> list[Packet]:
    """The packets in the messages of one connection, up to the one that closes it."""
    decoder = parser.decoder()
    packets = []
    for message in messages:
        try:
            packet = decoder.feed(message)
        except UnreadableData as error:
            assert len(str(error)) < 200  # it is logged, and answered
            assert error.packet.type in (PacketType.CONNECT, PacketType.EVENT, PacketType.ACK)
            continue
        except ProtocolError as error:
            assert len(str(error)) < 200
            break
        if packet is not None:
            check_packet(packet)
            packets.append(packet)
    return packets


def check_passed_on(parser: Parser, packets: Iterable[Packet]) -> None:
    """What was received can be sent, and arrives as it was."""
    for packet in packets:
        assert feed(parser, parser.encode(packet)) == [packet]


def payload_messages(body: bytes) -> list[Payload]:
    """The messages in a polling body, or none if it is refused."""
    try:
        packets = decode_payload(body)
    except ProtocolError as error:
        assert len(str(error)) < 200
        return []
    assert all(len(kind) == 1 and kind in "0123456" for kind, _ in packets)
    return [data for kind, data in packets if kind == "4"]
