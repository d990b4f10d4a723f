"""Emits to one socket of this process, and questions to its client."""

from collections.abc import Callable, Iterable
from typing import Any

from ..metrics import instruments
from ..metrics.counters import count, counts
from ..protocol.packets import Packet, PacketType
from . import emissions, records
from .emissions import Emission
from .sockets import Socket


def send(socket: Socket, emission: Emission) -> None:
    """Deliver an emission to the one socket that it is for."""
    count("emits")
    records.record(emission)
    if instruments.tracing is None:
        counts["events.out"] += socket.send(emission.messages, emission.volatile)
    else:
        with instruments.tracing.emitting(emission):
            counts["events.out"] += socket.send(emission.messages, emission.volatile)


def ask(
    socket: Socket,
    event: str,
    args: Iterable[Any],
    answered: Callable[..., Any],
    lost: Callable[[], Any] | None = None,
) -> int:
    """Emit an event; `answered` is called with what the client answers.

    `lost` is called if the client leaves first. Returns the id of the ack, with which
    `socket.answers` knows who waits. Raises TypeError or ValueError for what can't be sent.
    """
    ack_id = socket.answers.expect(answered, lost)
    packet = Packet(PacketType.EVENT, socket.namespace, [event, *args], ack_id)
    try:
        counts["events.out"] += socket.send(emissions.messages_of(packet))
    except (TypeError, ValueError):
        socket.answers.take(ack_id)
        raise
    return ack_id
