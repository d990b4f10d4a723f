"""python-socketio's own client, with the events that it received to wait for."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio
from socketio.exceptions import ConnectionError as RefusedError

PATIENCE = 30


class Client:
    """A client in one or more namespaces. What follows is about the first, unless it is named."""

    def __init__(
        self,
        url: str,
        namespaces: tuple[str, ...],
        *,
        transports: list[str] | None = None,
        auth: Any = None,
        headers: dict[str, str] | None = None,
        path: str = "/socket.io/",
        **options: Any,
    ) -> None:
        self.url = url
        self.namespaces = namespaces
        self.refusals: dict[str, Any] = {}
        #: What each question of the server is answered with; see `on_question`.
        self.on_question: Callable[..., Any] = lambda *args: args
        #: Every event of every namespace, as (event, arguments), in the order in which they came.
        self.log: list[tuple[str, Any]] = []
        self._events: dict[tuple[str, str], asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self._options = {
            "transports": transports,
            "auth": auth,
            "headers": dict(headers or {}),
            "socketio_path": path,
        }
        self.sio = socketio.AsyncClient(
            **{"reconnection": False, "handle_sigint": False, **options}
        )
        for namespace in namespaces:
            self._listen(namespace)

    def _listen(self, namespace: str) -> None:
        def received(event: str, *args: Any) -> None:
            self.log.append((event, args))
            self._events[namespace, event].put_nowait(args)

        def question(*args: Any) -> Any:
            return self.on_question(*args)

        def refused(error: Any) -> None:
            self.refusals[namespace] = error

        def disconnected(reason: str) -> None:
            received("disconnect", reason)

        self.sio.on("*", received, namespace=namespace)
        self.sio.on("question", question, namespace=namespace)
        self.sio.on("connect_error", refused, namespace=namespace)
        self.sio.on("connect", lambda: received("connect"), namespace=namespace)
        self.sio.on("disconnect", disconnected, namespace=namespace)

    async def connect(self) -> None:
        # An attempt to reconnect waits as long for a server that has gone meanwhile, and there has
        # to be time for another one.
        await self.sio.connect(
            self.url, namespaces=list(self.namespaces), wait_timeout=PATIENCE / 3, **self._options
        )

    async def refused(self) -> Any:
        """Connect and return why the first namespace refused it."""
        try:
            await self.connect()
        except RefusedError:
            return self.refusals[self.namespaces[0]]
        raise AssertionError("the client was not refused")

    async def disconnect(self) -> None:
        await self.sio.disconnect()
        # aiohttp leaves the closing of its sockets to the loop's next turns.
        await asyncio.sleep(0)

    def sid(self, namespace: str | None = None) -> str:
        sid: str = self.sio.get_sid(namespace or self.namespaces[0])
        return sid

    @property
    def transport(self) -> str:
        transport: str = self.sio.transport()
        return transport

    async def emit(self, event: str, *args: Any, namespace: str | None = None) -> None:
        await self.sio.emit(event, args, namespace=namespace or self.namespaces[0])

    async def call(
        self, event: str, *args: Any, namespace: str | None = None, timeout: float = PATIENCE
    ) -> Any:
        """What the server answers: one value, or a tuple of several."""
        return await self.sio.call(
            event, args, namespace=namespace or self.namespaces[0], timeout=timeout
        )

    async def next(self, event: str, namespace: str | None = None) -> Any:
        """The arguments of the next event of that name."""
        queue = self._events[namespace or self.namespaces[0], event]
        async with asyncio.timeout(PATIENCE):
            return await queue.get()

    def waiting(self, event: str, namespace: str | None = None) -> list[Any]:
        """The arguments of all events of that name that nobody has asked for."""
        queue = self._events[namespace or self.namespaces[0], event]
        return [queue.get_nowait() for _ in range(queue.qsize())]


async def post(url: str, *, headers: dict[str, str] | None = None, **order: Any) -> dict[str, Any]:
    """Let a view of the site do something; return what it says."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json=order) as response,
    ):
        assert response.status in (200, 503), await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def log_in(url: str, name: str) -> dict[str, str]:
    """Log in through the site's own page; return the headers with the session's cookie."""
    # Unsafe means that cookies of an address without a domain name are kept.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        page = f"{url}/login/"
        async with session.get(page):
            token = next(cookie.value for cookie in jar if cookie.key == "csrftoken")
        form = {"username": name, "password": name, "csrfmiddlewaretoken": token}
        async with session.post(page, data=form) as response:
            assert await response.json() == {"user": name}
    return {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in jar)}


async def probe(url: str, host: str | None = None) -> tuple[int, Any]:
    """Status and body of an address that answers with JSON."""
    headers = {} if host is None else {"Host": host}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.json()
