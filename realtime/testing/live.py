"""The site under Daphne in a thread of the tests' process, for browsers and real clients.

A thread and not a process: what a test emits reaches these clients without Redis, and what the
site emits is in the test's outbox. Twisted's reactor runs once in a process, so Daphne is started
once and serves all tests; in between it is not this process's node.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from unittest import TestResult

from channels.routing import get_default_application
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import TransactionTestCase, modify_settings

from ..asgi import RealtimeApplication, get_server
from ..conf import settings
from ..node.current import announce, withdraw

HOST = "127.0.0.1"
#: Seconds that the server has to start, and what it runs to end.
PATIENCE = 30.0


class LiveServer:
    """Daphne, and the Socket.IO server of the site that it runs."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="realtime-live-server", daemon=True)
        self._daphne: Any = None
        application = get_default_application()
        # A project may wrap it; then the one server of this process is meant.
        is_bare = isinstance(application, RealtimeApplication)
        self._socketio = application.server if is_bare else get_server()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None

    @property
    def url(self) -> str:
        """The address of the site, without a slash at the end."""
        return f"http://{HOST}:{self._port}"

    @property
    def _port(self) -> int:
        port: int = self._daphne.listening_addresses[0][1]
        return port

    def start(self) -> None:
        # Imported here: it installs Twisted's reactor.
        from daphne.server import Server, twisted_loop

        self._loop = twisted_loop
        self._daphne = Server(
            ASGIStaticFilesHandler(get_default_application()),
            endpoints=[f"tcp:port=0:interface={HOST}"],
            signal_handlers=False,
            ready_callable=self._ready.set,
        )
        self._thread.start()
        while not self._ready.wait(0.1):
            if not self._thread.is_alive():
                raise RuntimeError("Daphne did not start") from self._error
        self.run(self._begin())

    def _run(self) -> None:
        try:
            self._daphne.run()
        except BaseException as error:  # told to the test that waits for it
            self._error = error

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the server's event loop."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _begin(self) -> None:
        self._socketio.start()

    def announce(self) -> None:
        """What this process emits reaches the clients from now on."""
        self.withdraw()
        announce(self._socketio.node)

    def withdraw(self) -> None:
        withdraw(self._socketio.node)

    async def send_all_away(self) -> None:
        """Close every connection, and wait until their consumers are done."""
        server = self._socketio
        server.eio.close_all("forced close")
        await server.core.namespaces.tasks.wait(settings.CLOSE_TIMEOUT)


_started: list[LiveServer] = []


@contextlib.contextmanager
def live_server() -> Iterator[LiveServer]:
    """The live server, serving."""
    for connection in connections.all():
        in_memory = getattr(connection, "is_in_memory_db", None)  # SQLite's only
        if in_memory is not None and in_memory():
            raise ImproperlyConfigured(
                "a live server has threads of its own, which need a test database in a file: add"
                ' "TEST": {"NAME": BASE_DIR / "test.sqlite3"} to DATABASES'
                f"[{connection.alias!r}]"
            )
    if not _started:
        server = LiveServer()
        server.start()
        _started.append(server)
    (server,) = _started
    server.announce()
    with modify_settings(ALLOWED_HOSTS={"append": HOST}):
        try:
            yield server
        finally:
            server.run(server.send_all_away())
            server.withdraw()


class SocketIOLiveServerTestCase(TransactionTestCase):
    """A test case with the site, static files included, at `self.live_server_url`.

    Connections are closed at the end of each test. Needs Daphne, an ASGI_APPLICATION made by
    `get_asgi_application()`, and a test database that several threads can use.
    """

    live_server: LiveServer

    @property
    def live_server_url(self) -> str:
        """The address of the site, without a slash at the end."""
        return self.live_server.url

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.live_server = cls.enterClassContext(live_server())

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """As in unittest. Clients are disconnected before Django flushes the database."""
        try:
            return super().run(result)
        finally:
            self.live_server.run(self.live_server.send_all_away())
