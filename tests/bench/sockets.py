"""Raw sockets on one epoll, and scripts of what is said on them.

A script is a generator that yields whenever it needs more from the network; there is no other
machinery, so that thousands of handshakes cost little.
"""

import itertools
import select
import socket
from collections.abc import Callable, Generator, Iterable
from typing import Self

from tests.bench import wire
from tests.bench.processes import BenchError

Script = Generator[None, None, None]

#: Seconds without a byte after which a run is given up.
PATIENCE = 60.0


class Link:
    """One client socket."""

    __slots__ = ("inbox", "script", "socket")

    def __init__(self, port: int, script: Script | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.inbox = bytearray()
        #: What goes on when something arrives.
        self.script = script

    def send(self, data: bytes) -> None:
        if self.socket.send(data) != len(data):
            raise BenchError("the server does not read")


class Sockets:
    """Open sockets of one server's clients."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._epoll = select.epoll()
        self._open: dict[int, Link] = {}
        #: The `recv_into` of each socket by its number, for loops that have no time for more.
        self.receive: dict[int, Callable[[bytearray], int]] = {}
        # Larger than all that can wait in a socket here, so one read empties it (see EPOLLET).
        self.buffer = bytearray(262_144)
        #: The script that goes on at the moment.
        self.running: Script | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for link in list(self._open.values()):
            self.close(link)
        self._epoll.close()

    def link(self, port: int | None = None) -> Link:
        link = Link(port or self.port, self.running)
        descriptor = link.socket.fileno()
        self._open[descriptor] = link
        self.receive[descriptor] = link.socket.recv_into
        # Edge-triggered: the kernel does not look at each socket once more after it was read.
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLET)
        return link

    def close(self, link: Link) -> None:
        descriptor = link.socket.fileno()
        del self._open[descriptor], self.receive[descriptor]
        link.socket.close()

    def run(self, scripts: Iterable[Script], width: int) -> None:
        """Run all scripts to their end, `width` of them at a time."""
        waiting = iter(scripts)
        going = sum(self._resume(script) for script in itertools.islice(waiting, width))
        while going:
            for descriptor, _ in self.poll():
                link = self._open.get(descriptor)
                if link is None:  # closed by a script that ran meanwhile
                    continue
                self._read(link)
                if link.script is not None and not self._resume(link.script):
                    going -= 1
                    link.script = None
                    going += sum(self._resume(script) for script in itertools.islice(waiting, 1))

    def _resume(self, script: Script) -> bool:
        """Whether there is more to come."""
        self.running = script
        try:
            next(script)
        except StopIteration:
            return False
        return True

    def _read(self, link: Link) -> None:
        try:
            size = link.socket.recv_into(self.buffer)
        except BlockingIOError:  # the event was for a socket whose number this one took over
            return
        if not size:
            raise BenchError(f"the server closed a socket; last it said {bytes(link.inbox)!r}")
        link.inbox += memoryview(self.buffer)[:size]

    def poll(self) -> list[tuple[int, int]]:
        ready = self._epoll.poll(PATIENCE)
        if not ready:
            raise BenchError(f"the server said nothing for {PATIENCE} s")
        return ready


def opened(link: Link) -> Script:
    while (head := wire.take_head(link.inbox)) is None:
        yield
    check(head, b"http/1.1 101")


def frame_of(link: Link) -> Generator[None, None, bytes]:
    # python-engineio sends a noop over the websocket too once it is upgraded.
    while (frame := wire.take_frame(link.inbox)) in (None, b"6"):
        if frame is None:
            yield
    return frame


def response_of(link: Link) -> Generator[None, None, bytes]:
    while (head := wire.take_head(link.inbox)) is None:
        yield
    check(head, b"http/1.1 200")
    while (body := wire.take_body(head, link.inbox)) is None:
        yield
    return body


def check(said: bytes, expected: bytes) -> None:
    if not said.startswith(expected):
        raise BenchError(f"the server said {said[:200]!r} where {expected!r} was due")
