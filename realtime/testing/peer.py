"""The client's end of a test's connection. All of it is used in the site's event loop."""

import asyncio
from typing import Any

from ..engine.connection import Connection
from ..exceptions import CallError, ConnectionRefused
from ..protocol.packets import Packet, PacketType
from . import wires
from .site import Site
from .values import over_the_wire


class Peer:
    """What a client in one namespace says and hears; it may connect several times."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        #: None before it is connected for the first time.
        self.sid: str | None = None
        self.connected = False
        #: What was received since `join`: names and arguments.
        self.events: list[tuple[Any, ...]] = []
        #: How events of the server's `call` are answered: values, or one function that makes them.
        self.answers: dict[str, tuple[Any, ...]] = {}
        #: Events that wait for such an answer, by the id of the ack.
        self.owes: dict[int, str] = {}
        # Whether events end with an offset: of recovery, which this client does without.
        self._has_offsets = False
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}
        self._last_ack = 0
        self._connection: Connection | None = None
        self._joined: asyncio.Future[Packet] | None = None

    async def join(
        self,
        site: Site,
        headers: list[tuple[bytes, bytes]],
        query: str,
        auth: dict[str, Any] | None,
    ) -> Packet:
        """Open a connection and connect to the namespace; the server's answer."""
        self.events.clear()
        self._joined = asyncio.get_running_loop().create_future()
        self._connection = await site.open(headers, query, self._heard, self._over)
        wires.send(self._connection, Packet(PacketType.CONNECT, self.namespace, auth))
        answer = await self._joined
        await site.settle()
        return answer

    async def send(self, event: str, args: tuple[Any, ...], ack_id: int | None = None) -> None:
        assert self._connection is not None
        packet = Packet(PacketType.EVENT, self.namespace, [event, *args], ack_id)
        wires.send(self._connection, packet)

    async def call(self, event: str, args: tuple[Any, ...]) -> list[Any]:
        """Send an event, and wait for the values of the answer."""
        self._last_ack += 1
        ack = self._acks[self._last_ack] = asyncio.get_running_loop().create_future()
        await self.send(event, args, self._last_ack)
        values: list[Any] = await ack
        return values

    async def answer_late(self, event: str) -> None:
        """Answer events that came before it was known how."""
        for ack_id in [ack_id for ack_id, owed in self.owes.items() if owed == event]:
            del self.owes[ack_id]
            args = next(args for name, *args in reversed(self.events) if name == event)
            self._answer(event, args, ack_id)

    async def leave(self) -> None:
        """Disconnect, and wait until the consumers are done."""
        assert self._connection is not None
        tasks = [s.task for s in self._connection.client.sockets.values() if s.task is not None]
        if self.connected:
            wires.send(self._connection, Packet(PacketType.DISCONNECT, self.namespace))
        self._connection.close("transport close", discard=True)
        if tasks:
            await asyncio.wait(tasks)

    def vanish(self) -> None:
        """Be gone, without a word."""
        if self._connection is not None:
            self._connection.leave("transport close")

    def _heard(self, packet: Packet) -> None:
        if packet.type in (PacketType.CONNECT, PacketType.CONNECT_ERROR):
            self.connected = packet.type == PacketType.CONNECT
            if self.connected:
                self.sid = packet.data["sid"]
                self._has_offsets = "pid" in packet.data
            if self._joined is not None and not self._joined.done():
                self._joined.set_result(packet)
        elif packet.type == PacketType.DISCONNECT:
            self._over()
        elif packet.type == PacketType.ACK:
            ack = self._acks.pop(packet.id or 0, None)
            if ack is not None and not ack.done():
                ack.set_result(packet.data)
        else:
            self._happened(packet)

    def _happened(self, packet: Packet) -> None:
        event, *args = packet.data
        if self._has_offsets and packet.id is None and args and isinstance(args[-1], str):
            args.pop()  # listeners that take a fixed number of arguments never see it
        self.events.append((event, *args))
        if packet.id is None:
            return
        if event in self.answers:
            self._answer(event, args, packet.id)
        else:
            self.owes[packet.id] = event

    def _answer(self, event: str, args: list[Any], ack_id: int) -> None:
        values = self.answers[event]
        if len(values) == 1 and callable(values[0]):
            values = (values[0](*args),)
        packet = Packet(PacketType.ACK, self.namespace, over_the_wire(values), ack_id)
        assert self._connection is not None
        # In the loop's next turn: the server is still busy with its question.
        asyncio.get_running_loop().call_soon(wires.send, self._connection, packet)

    def _over(self) -> None:
        self.connected = False
        self.owes.clear()
        if self._joined is not None and not self._joined.done():
            refused = ConnectionRefused("the server closed the connection; its log says why")
            self._joined.set_exception(refused)
        for ack in self._acks.values():
            if not ack.done():
                ack.set_exception(CallError("the server ended this socket before it answered"))
                ack.exception()  # whoever asked may have given up
