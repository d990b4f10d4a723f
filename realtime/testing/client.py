"""A client for sync tests: it speaks with the project's consumers through a real server.

client = SocketIOClient("/chat")
client.force_login(ada)
client.connect()
assert client.call("send", {"room": "general", "text": "hello"}) == {"ok": True}
"""

import asyncio
from typing import Any, Self

from django.test import Client

from ..consumers.consumer import SocketIOConsumer
from ..engine.connection import Connection
from ..exceptions import CallError, ConnectionRefused
from ..protocol.packets import Packet, PacketType
from ..routing import registered
from ..server.handling import REFUSALS
from ..signals import event_failed
from . import site
from .wire import over_the_wire
from .wires import send


class SocketIOClient:
    """A client of one namespace, for sync tests.

    - `namespace` is its name, or a consumer whose `@namespace` has no converters.
    - `http` is a Django test client, such as a TestCase's `self.client`, whose session this client
      uses. By default it has one of its own, for `force_login`.
    - `headers` and `query` are those of the request that opens the connection.
    - `raise_exceptions` raises in the test what a handler raised. If it is False, the client gets
      the error that a live client gets.

    Handlers run in the test's thread and transaction. The server is the real one: rooms, presence
    and operations work, several clients of a test get each other's events, and so does what `emit`
    sends from a view or a task.
    """

    def __init__(
        self,
        namespace: str | type[SocketIOConsumer] = "/",
        *,
        http: Client | None = None,
        headers: dict[str, str] | None = None,
        query: str = "",
        raise_exceptions: bool = True,
    ) -> None:
        self.namespace = namespace if isinstance(namespace, str) else _route_of(namespace)
        self.http = http or Client()
        self.raise_exceptions = raise_exceptions
        #: The public id of the socket, None before it is connected.
        self.sid: str | None = None
        #: Whether the client is connected. The server may have disconnected it.
        self.connected = False
        #: Events that wait for this client's answer, by the id of the ack.
        self.owes: dict[int, str] = {}
        # Whether events end with an offset: of recovery, which this client does without.
        self._has_offsets = False
        self._headers = headers or {}
        self._query = query
        self._events: list[tuple[Any, ...]] = []
        self._answers: dict[str, Any] = {}
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}
        self._last_ack = 0
        self._failures: list[BaseException] = []
        self._site: site.Site | None = None
        self._connection: Connection | None = None
        self._joined: asyncio.Future[Packet] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.disconnect()

    def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log a user in, as Django's test client does. Call it before `connect`."""
        self.http.force_login(user, backend)

    def connect(self, auth: dict[str, Any] | None = None) -> Self:
        """Connect to the namespace, and return the client. Raises ConnectionRefused if refused."""
        if self._site is not None:
            raise RuntimeError("this client is connected already")
        self._site = site.enter(self)
        event_failed.connect(self._failed)
        self._events.clear()
        self._failures.clear()
        try:
            answer = self._site.run(self._join(auth))
        except BaseException:
            self.disconnect()
            raise
        if answer.type == PacketType.CONNECT_ERROR:
            self.disconnect()
            raise ConnectionRefused(answer.data["message"], answer.data.get("data"))
        return self

    def emit(self, event: str, *args: Any) -> None:
        """Send an event without asking for an acknowledgement.

        Returns when all handlers are done.
        """
        self._run(self._send(event, args, None))

    def call(self, event: str, *args: Any, timeout: float = site.PATIENCE) -> Any:
        """Send an event and return its acknowledgement, or a tuple if it has several values.

        Raises AssertionError after `timeout` seconds.
        """
        values = self._run(self._call(event, args), timeout)
        return values[0] if len(values) == 1 else tuple(values)

    def received(self, event: str | None = None) -> list[Any]:
        """Return the events received since `connect`, in order: tuples of a name and arguments.

        With the name of an event, return only its arguments: a single one as it is, several as a
        tuple.
        """
        if self._site is not None:
            self._site.run(self._site.settle())
        if event is None:
            return list(self._events)
        return [
            args[0] if len(args) == 1 else tuple(args)
            for name, *args in self._events
            if name == event
        ]

    def clear(self) -> None:
        """Forget what was received."""
        self.received()
        self._events.clear()

    def answer(self, event: str, *values: Any) -> None:
        """Set how this client answers an event that the server sends with `call`.

        `values` are the values of the answer, or one function that gets the event's arguments.
        """
        self._answers[event] = values
        if self._site is not None:
            self._run(self._answer_late(event))

    def disconnect(self) -> None:
        """Disconnect, and wait until the consumer is done. Does nothing if not connected."""
        left, self._site = self._site, None
        if left is None:
            return
        try:
            left.run(self._leave())
        finally:
            self.connected = False
            event_failed.disconnect(self._failed)
            site.leave(self)
        self._raise_failure()

    def vanish(self) -> None:
        """In the site's event loop: be gone, without a word."""
        if self._connection is not None:
            self._connection.leave("transport close")

    # In the test's thread

    def _run(self, work: Any, timeout: float = site.PATIENCE) -> Any:
        if self._site is None or not self.connected:
            work.close()
            raise RuntimeError("this client is not connected: call connect() first")
        result = self._site.run(self._settled(work), timeout)
        self._raise_failure()
        return result

    def _raise_failure(self) -> None:
        if self._failures and self.raise_exceptions:
            raise self._failures.pop(0)

    # In the site's event loop

    async def _join(self, auth: dict[str, Any] | None) -> Packet:
        assert self._site is not None
        headers = self._all_headers()
        self._joined = asyncio.get_running_loop().create_future()
        self._connection = await self._site.open(headers, self._query, self._heard, self._over)
        send(self._connection, Packet(PacketType.CONNECT, self.namespace, auth))
        answer = await self._joined
        await self._site.settle()
        return answer

    def _all_headers(self) -> list[tuple[bytes, bytes]]:
        cookies = "; ".join(f"{c.key}={c.coded_value}" for c in self.http.cookies.values())
        headers = {"host": "testserver", **self._headers}
        if cookies:
            headers["cookie"] = cookies
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def _settled(self, work: Any) -> Any:
        assert self._site is not None
        result = await work
        await self._site.settle()
        return result

    async def _send(self, event: str, args: tuple[Any, ...], ack_id: int | None) -> None:
        assert self._connection is not None
        packet = Packet(PacketType.EVENT, self.namespace, [event, *args], ack_id)
        send(self._connection, packet)

    async def _call(self, event: str, args: tuple[Any, ...]) -> list[Any]:
        self._last_ack += 1
        ack = self._acks[self._last_ack] = asyncio.get_running_loop().create_future()
        await self._send(event, args, self._last_ack)
        values: list[Any] = await ack
        return values

    async def _answer_late(self, event: str) -> None:
        for ack_id in [ack_id for ack_id, owed in self.owes.items() if owed == event]:
            del self.owes[ack_id]
            args = next(args for name, *args in reversed(self._events) if name == event)
            self._answer(event, args, ack_id)

    async def _leave(self) -> None:
        assert self._connection is not None
        tasks = [s.task for s in self._connection.client.sockets.values() if s.task is not None]
        if self.connected:
            send(self._connection, Packet(PacketType.DISCONNECT, self.namespace))
        self._connection.close("transport close", discard=True)
        if tasks:
            await asyncio.wait(tasks)

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
        self._events.append((event, *args))
        if packet.id is None:
            return
        if event in self._answers:
            self._answer(event, args, packet.id)
        else:
            self.owes[packet.id] = event

    def _answer(self, event: str, args: list[Any], ack_id: int) -> None:
        values = self._answers[event]
        if len(values) == 1 and callable(values[0]):
            values = (values[0](*args),)
        packet = Packet(PacketType.ACK, self.namespace, over_the_wire(values), ack_id)
        assert self._connection is not None
        # In the loop's next turn: the server is still busy with its question.
        asyncio.get_running_loop().call_soon(send, self._connection, packet)

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

    async def _failed(self, *, sid: str, exception: BaseException, **kwargs: Any) -> None:
        if sid == self.sid and not isinstance(exception, REFUSALS):
            self._failures.append(exception)


def _route_of(consumer: type[SocketIOConsumer]) -> str:
    routes = [route for route, served in registered() if served is consumer]
    if not routes:
        raise ValueError(f"{consumer.__qualname__} has no @namespace, so no client can reach it")
    if "<" in routes[0]:
        raise ValueError(
            f"the namespace of {consumer.__qualname__} has converters: pass the one that the client"
            f" connects to, a match of {routes[0]!r}"
        )
    return routes[0]
