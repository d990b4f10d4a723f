"""A Socket.IO client in the doctor's namespace, with python-socketio's packets."""

import time
from typing import Any

from socketio.msgpack_packet import MsgPackPacket
from socketio.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet

from ..conf import settings
from .findings import Ailment
from .namespace import EXPIRED, MAX_AGE, NAMESPACE
from .wires import Wire

#: Engine.IO's packet types.
CLOSE, PING, PONG, MESSAGE = "1", "2", "3", "4"


class Client:
    """One socket. An upgrade replaces `wire`."""

    def __init__(self, wire: Wire, patience: float) -> None:
        self.wire = wire
        self._patience = patience
        self._packet_class = MsgPackPacket if settings.PARSER == "msgpack" else Packet
        self._received: list[Packet] = []
        self.node = ""

    def join(self, token: str) -> None:
        """Join the namespace. Raises Ailment."""
        self._send(CONNECT, {"token": token})
        answer = self._next(CONNECT, CONNECT_ERROR, DISCONNECT)
        if answer.packet_type != CONNECT:
            raise _refused(answer.data if isinstance(answer.data, dict) else {})

    def echo(self, text: str) -> None:
        """Send an event, and wait for its ack. Raises Ailment."""
        self._send(EVENT, ["echo", text], id=1)
        answer = self._next(ACK)
        value = answer.data[0] if answer.data else None
        if not isinstance(value, dict) or value.get("text") != text:
            raise Ailment(
                f"an event was acknowledged with {value!r}: another application answered it"
            )
        self.node = str(value["node"])

    def say(self, text: str) -> None:
        self._send(EVENT, ["say", text])

    def hears(self, event: str, text: str) -> None:
        """Wait for an event. Raises Ailment."""
        while self._next(EVENT).data != [event, text]:
            pass

    # Private

    def _send(self, type: int, data: Any, id: int | None = None) -> None:
        encoded = self._packet_class(type, data=data, namespace=NAMESPACE, id=id).encode()
        for message in encoded if isinstance(encoded, list) else [encoded]:
            self.wire.send(MESSAGE + message if isinstance(message, str) else message)

    def _next(self, *types: int) -> Packet:
        deadline = time.monotonic() + self._patience
        while True:
            for packet in self._received:
                if packet.packet_type in types:
                    self._received.remove(packet)
                    return packet
            if time.monotonic() > deadline:
                raise Ailment(f"no answer arrived within {self._patience:g} s")
            for received in self.wire.receive():
                self._take(received)

    def _take(self, received: str | bytes) -> None:
        if received == CLOSE:
            raise Ailment(
                "the server closed the connection",
                'Its log says why. Does it have the same REALTIME["PARSER"] as this command?',
            )
        if received == PING:
            self.wire.send(PONG)
        elif isinstance(received, bytes):
            self._decode(received)
        elif received.startswith(MESSAGE):
            self._decode(received[1:])

    def _decode(self, message: str | bytes) -> None:
        try:
            packet = self._packet_class(encoded_packet=message)
        except Exception as error:  # the library names no error of its own for this
            raise Ailment(
                f"this command can't read a packet of the server: {message[:60]!r} ({error!r})",
                'Does the server have the same REALTIME["PARSER"] as this command?',
            ) from error
        if packet.namespace == NAMESPACE:
            self._received.append(packet)


def _refused(data: dict[str, Any]) -> Ailment:
    message, about = data.get("message"), data.get("data")
    if message == "Invalid namespace":
        return Ailment(
            f"the server does not serve {NAMESPACE}",
            "It runs an older version of realtime, or an application of yours passed as"
            " get_asgi_application(socketio=...): let that route to"
            " realtime.routing.NamespaceRouter().",
        )
    if isinstance(about, dict) and about.get("code") == EXPIRED:
        return Ailment(
            f"the server says that this command's token is older than {MAX_AGE} s",
            "The clocks of this machine and the server's differ: synchronise them.",
        )
    return Ailment(
        f"the server does not accept this command's signature: {message}",
        "Its SECRET_KEY is different: run this command with the settings and the environment of the"
        " server.",
    )
