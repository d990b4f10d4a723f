"""Clients for sync tests, and the demo site under uvicorn in a thread of this process.

What a test calls in this process, Django's test client included, reaches that server's sockets.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn

from realtime import asgi
from tests.live.clients import Client

T = TypeVar("T")


class Crowd:
    """Clients of one site, in an event loop of their own."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._loop = loop
        self._clients: list[Client] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=60)

    def connect(self, *namespaces: str, session: str = "") -> Client:
        """A client, with the key of a session."""
        return self.run(self._connect(namespaces or ("/",), session))

    async def _connect(self, namespaces: tuple[str, ...], session: str) -> Client:
        headers = {"Cookie": f"sessionid={session}"} if session else {}
        client = Client(self.url, namespaces, headers=headers, transports=["websocket"])
        self._clients.append(client)
        await client.connect()
        return client

    def join(self, room: str, session: str = "") -> Client:
        """A client in a room of the demo's lobby."""
        client = self.connect("/", session=session)
        assert self.run(client.call("join", room))["ok"]
        return client

    def go(self) -> None:
        """All clients disconnect."""
        while self._clients:
            self.run(self._clients.pop().disconnect())


@contextmanager
def crowd(url: str) -> Iterator[Crowd]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    clients = Crowd(url, loop)
    try:
        yield clients
    finally:
        clients.go()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def web_thread() -> Iterator[str]:
    """The site's address."""
    created = list(asgi._created)
    config = uvicorn.Config(asgi.get_asgi_application(), port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        # For get_server(), which means the process's only one.
        asgi._created[:] = created
