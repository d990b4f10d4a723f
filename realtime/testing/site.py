"""The server of a test's clients: the real one, in an event loop of its own, without a network."""

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .. import routing
from ..asgi import make_server
from ..auth import AuthStack
from ..conf import settings
from ..engine.connection import Connection
from ..exceptions import SyncEmitInAsyncCode
from ..node import records
from ..node.current import withdraw
from ..node.threads import LentThread
from ..protocol.packets import Packet
from ..rules.rechecks import Rechecks
from .transactions import keep_open
from .wires import MemoryWire, scope_of

T = TypeVar("T")

#: Seconds that the clients of a test wait for anything, unless they are told otherwise.
PATIENCE = 10.0
#: Seconds between two looks at handlers that are at work; they send no event when they are done.
GLANCE = 0.001
#: Seconds that a handler has to end after it was told that nobody answers it.
LEEWAY = 1.0


class Site:
    """The server, from the first client of a test to the end of the last one.

    The consumers' handlers use the ORM in the test's thread while that waits for its clients.
    """

    def __init__(self) -> None:
        self.peers: list[Any] = []
        self._owed: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="realtime-test-site", daemon=True
        )
        self._lent = LentThread()
        self._lent.lend(self._loop)
        self._thread.start()
        self.server = self.run(self._start())

    def run(self, work: Coroutine[Any, Any, T], timeout: float = PATIENCE) -> T:
        """Run a coroutine in the site's loop, and what it needs of this thread here."""
        keep_open()
        future = asyncio.run_coroutine_threadsafe(self._bounded(work, timeout), self._loop)
        complaint = f"the consumers were not done within {timeout:g} s"
        try:
            self._lent.wait(future, timeout + LEEWAY)
        except TimeoutError:
            future.cancel()
            raise AssertionError(complaint) from None
        owed, self._owed = self._owed, []
        if owed:
            events = ", ".join(map(repr, owed))
            raise AssertionError(f"{complaint}: a handler waits for a client's answer to {events}")
        return future.result()

    async def _bounded(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        timer = self._loop.call_later(timeout, self._give_up)
        try:
            return await work
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        """Fail what waits for a client's answer: it may hold the very thread of the test."""
        for peer in self.peers:
            self._owed += peer.owes.values()
            if peer.owes:
                peer.vanish()

    async def open(
        self,
        headers: list[tuple[bytes, bytes]],
        query: str,
        heard: Callable[[Packet], None],
        over: Callable[[], None],
    ) -> Connection:
        """A client's connection."""
        scope = scope_of(headers, query, settings.PATH)
        wire = functools.partial(MemoryWire, heard=heard, over=over)
        connection: Connection = self.server.eio.sessions.admit(scope, wire, lambda _: "")
        return connection

    async def settle(self) -> None:
        """Wait until no handler is at work, and no rule is being asked again.

        Handlers to which a client owes an answer do not count.
        """
        turns = 0
        rechecks = self.server.node.follower(Rechecks)
        while rechecks.is_busy or self._is_handling():
            turns += 1
            await asyncio.sleep(0 if turns < 20 else GLANCE)

    def _is_handling(self) -> bool:
        return any(not s.is_idle and not self._is_owed(s.sid) for s in self._sockets())

    def end(self) -> None:
        """Close what is open, and stop."""
        self.run(self.server.shutdown(), timeout=settings.DRAIN_TIMEOUT + PATIENCE)
        self._stop()

    def abandon(self) -> None:
        """Stop, and run no more of the consumers' code: it is a later test's turn."""
        withdraw(self.server.node)
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(PATIENCE)
        except concurrent.futures.TimeoutError:
            return  # something blocks the loop; its thread is a daemon
        self._stop()

    async def _start(self) -> Any:
        server = make_server(AuthStack(routing.NamespaceRouter()), routing.serves)
        server.start()
        return server

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._lent.take_back(self._loop)
        self._loop.close()

    def _sockets(self) -> list[Any]:
        return list(self.server.core.namespaces.sockets.values())

    def _is_owed(self, sid: str) -> bool:
        return any(peer.owes and peer.sid == sid for peer in self.peers)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1)


_sites: list[Site] = []


def enter(peer: Any) -> Site:
    """The site of this test, which a client is about to use."""
    _refuse_in_async_code()
    records.begin()
    if not _sites:
        _sites.append(Site())
    _sites[0].peers.append(peer)
    return _sites[0]


def _refuse_in_async_code() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SyncEmitInAsyncCode(
        "SocketIOClient is for sync tests: in async ones use SocketIOCommunicator"
    )


def leave(peer: Any) -> None:
    """A client is gone, and with the last one the site."""
    for site in _sites:
        if peer in site.peers:
            site.peers.remove(peer)
            if not site.peers:
                _sites.clear()
                site.end()


def abandon() -> None:
    """Another test begins: clients that were not disconnected are forgotten."""
    while _sites:
        _sites.pop().abandon()


records.on_begin.append(abandon)
