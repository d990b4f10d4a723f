"""A client for sync tests: it speaks with the project's consumers through a real server.

client = SocketIOClient("/chat")
client.force_login(ada)
client.connect()
assert client.call("send", {"room": "general", "text": "hello"}) == {"ok": True}
"""

from typing import Any, Self

from django.test import Client

from ..consumers.consumer import SocketIOConsumer
from ..exceptions import ConnectionRefused
from ..protocol.packets import PacketType
from ..routing import registered
from ..server.handling import REFUSALS
from ..signals import event_failed
from . import site
from .peer import Peer


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
        if not self.namespace.startswith("/"):
            raise ValueError(f"a namespace must begin with '/': {namespace!r}")
        self.http = http or Client()
        self.raise_exceptions = raise_exceptions
        self._headers = headers or {}
        self._query = query
        self._failures: list[BaseException] = []
        self._site: site.Site | None = None
        self._peer = Peer(self.namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.disconnect()

    @property
    def sid(self) -> str | None:
        """The public id of the socket, None before it is connected."""
        return self._peer.sid

    @property
    def connected(self) -> bool:
        """Whether the client is connected. The server may have disconnected it."""
        return self._peer.connected

    def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log a user in, as Django's test client does. Call it before `connect`."""
        self.http.force_login(user, backend)

    def connect(self, auth: dict[str, Any] | None = None) -> Self:
        """Connect to the namespace, and return the client. Raises ConnectionRefused if refused."""
        if self._site is not None:
            raise RuntimeError("this client is connected already")
        self._site = site.enter(self._peer)
        event_failed.connect(self._failed)
        self._failures.clear()
        try:
            answer = self._site.run(
                self._peer.join(self._site, self._all_headers(), self._query, auth)
            )
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
        self._run(self._peer.send(event, args))

    def call(self, event: str, *args: Any, timeout: float = site.PATIENCE) -> Any:
        """Send an event and return its acknowledgement, or a tuple if it has several values.

        Raises AssertionError after `timeout` seconds.
        """
        values = self._run(self._peer.call(event, args), timeout)
        return values[0] if len(values) == 1 else tuple(values)

    def received(self, event: str | None = None) -> list[Any]:
        """Return the events received since `connect`, in order: tuples of a name and arguments.

        With the name of an event, return only its arguments: a single one as it is, several as a
        tuple.
        """
        if self._site is not None:
            self._site.run(self._site.settle())
        if event is None:
            return list(self._peer.events)
        return [
            args[0] if len(args) == 1 else tuple(args)
            for name, *args in self._peer.events
            if name == event
        ]

    def clear(self) -> None:
        """Forget what was received."""
        self.received()
        self._peer.events.clear()

    def answer(self, event: str, *values: Any) -> None:
        """Set how this client answers an event that the server sends with `call`.

        `values` are the values of the answer, or one function that gets the event's arguments.
        """
        self._peer.answers[event] = values
        if self._site is not None:
            self._run(self._peer.answer_late(event))

    def disconnect(self) -> None:
        """Disconnect, and wait until the consumer is done. Does nothing if not connected."""
        left, self._site = self._site, None
        if left is None:
            return
        try:
            left.run(self._peer.leave())
        finally:
            self._peer.connected = False
            event_failed.disconnect(self._failed)
            site.leave(self._peer)
        self._raise_failure()

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

    def _all_headers(self) -> list[tuple[bytes, bytes]]:
        cookies = "; ".join(f"{c.key}={c.coded_value}" for c in self.http.cookies.values())
        headers = {"host": "testserver", **self._headers}
        if cookies:
            headers["cookie"] = cookies
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    # In the site's event loop

    async def _settled(self, work: Any) -> Any:
        assert self._site is not None
        result = await work
        await self._site.settle()
        return result

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
