"""What is refused without closing the connection: namespaces, and packets that can't be read."""

import logging
from typing import TYPE_CHECKING, Any

from ..engine import refusals
from ..engine.refusals import shown
from ..exceptions import EventError, ProtocolError, UnreadableData
from ..logs import connection_facts, facts
from ..metrics.counters import report
from ..node.sockets import Client, Socket
from ..protocol.frames import Frames
from ..protocol.packets import Packet, PacketType, Parser

if TYPE_CHECKING:
    from ..engine.server import Connection

logger = logging.getLogger("realtime.server")

INVALID_NAMESPACE = {"message": "Invalid namespace"}


def say_refused(socket: Socket, error: dict[str, Any], by: str | None) -> None:
    """Log that an application refused a client."""
    refused_by = "" if by is None else f" by {by}"
    refusals.say(
        logger,
        "connect",
        socket.connection.address,
        f"a client of {shown(socket.namespace)}{refused_by}: {shown(error.get('message', ''))}",
        detail=f"{by} {socket.namespace}",
        extra=facts(sid=socket.sid, namespace=socket.namespace)
        | {"transport": socket.connection.transport},
    )


def refuse_unreadable(parser: Parser, client: Client, fault: UnreadableData) -> None:
    """One packet is lost, and not the connection: what follows it can be read."""
    packet: Packet = fault.packet
    socket = client.sockets.get(packet.namespace)
    if packet.type == PacketType.CONNECT:
        if socket is not None:
            raise ProtocolError(f"a second connect to {shown(packet.namespace)}")
        error = {"message": f"Bad auth: {fault}"}
        answer = Packet(PacketType.CONNECT_ERROR, packet.namespace, error)
        client.connection.send(Frames(parser.encode(answer)))
        client.ignore(packet.namespace)
    elif socket is not None:
        _lose(parser, socket, packet, fault)
    elif packet.namespace not in client.left:
        raise ProtocolError("a packet for a namespace that was not joined")
    _log(client, packet, fault)


def _lose(parser: Parser, socket: Socket, packet: Packet, fault: UnreadableData) -> None:
    if packet.type == PacketType.ACK:
        if packet.id is not None:
            socket.answers.lose(packet.id)
    elif packet.id is not None:
        error = EventError(str(fault), code="bad_data").as_dict()
        socket.send(parser.encode(Packet(PacketType.ACK, packet.namespace, [error], packet.id)))


def _log(client: Client, packet: Packet, fault: UnreadableData) -> None:
    connection = client.connection
    report("refused.data", address=connection.address)
    kind = {PacketType.CONNECT: "a connect", PacketType.ACK: "an answer"}.get(
        PacketType(packet.type), "an event"
    )
    refusals.say(
        logger,
        "data",
        connection.address,
        f"{kind} in {shown(packet.namespace)}: {fault}",
        detail=kind,
        extra=_about(connection, packet.namespace),
    )


def _about(connection: "Connection", namespace: str) -> dict[str, Any]:
    return facts(namespace=namespace[: refusals.MAX_SHOWN]) | connection_facts(connection)
