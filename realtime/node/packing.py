"""Values of applications and clients, packed for their way from one process to another."""

from collections.abc import Iterable
from typing import Any

from ..protocol.packets import Packet, PacketType, Payload
from . import emissions


def pack(values: Iterable[Any]) -> list[Payload]:
    """Values that a client may send or be sent. Raises TypeError or ValueError for others."""
    return list(emissions.messages_of(Packet(PacketType.ACK, "/", list(values), 0)))


def pack_event(event: str, args: Iterable[Any]) -> list[Payload]:
    """An event with its arguments, for another process to emit or to handle."""
    values = [event, *args]
    try:
        return list(emissions.parser().encode(Packet(PacketType.ACK, "/", values, 0)))
    except emissions.UNSENDABLE as error:
        raise emissions.refused(Packet(PacketType.EVENT, "/", values), error) from None


def unpack(messages: Iterable[Payload]) -> list[Any]:
    """What `pack` packed."""
    decoder = emissions.parser().decoder(is_own=True)
    *_, packet = map(decoder.feed, messages)
    assert packet is not None  # a pack is whole
    values: list[Any] = packet.data
    return values
