"""The load generator: the clients of one server, and what they do in volume.

It has to be cheaper than any server that it measures, so deliveries and acks are counted in bytes
rather than parsed.
"""

import json
import time
from collections.abc import Callable, Generator

from tests.bench import wire
from tests.bench.processes import BenchError
from tests.bench.sockets import Link, Script, Sockets, check, frame_of, opened, response_of

#: Handshakes under way at a time: fewer than Twisted's listen backlog of 50.
WIDTH = 32
_POLLING = "/socket.io/?EIO=4&transport=polling"


class Load(Sockets):
    """Clients of one server."""

    def __init__(self, port: int, dialect: wire.Dialect, headers: str = "") -> None:
        super().__init__(port)
        self.dialect = dialect
        #: What clients that come straight by websocket say beside what is due.
        self.headers = headers
        #: Those that are connected and in the room.
        self.links: list[Link] = []
        self._delivery = 0

    # Connecting

    def connect(self, count: int, polling: bool = False) -> None:
        """Bring `count` more clients into the room, a few at a time."""
        script = self._upgraded if polling else self._straight
        self.run((script() for _ in range(count)), WIDTH)

    def _straight(self) -> Script:
        self.links.append((yield from self.greeted(self.port, self.dialect.greeting)))

    def greeted(self, port: int, greeting: wire.Greeting) -> Generator[None, None, Link]:
        """A client that has come by websocket and has said what is to be said."""
        link = self.link(port)
        link.send(wire.upgrade(self.dialect.path, port, self.headers))
        yield from opened(link)
        for expected, answer in greeting:
            check((yield from frame_of(link)), expected)
            if answer is not None:
                link.send(wire.client_frame(answer))
        return link

    def _upgraded(self) -> Script:
        """As the stock client does it: polling first, and an upgrade beside a waiting poll."""
        poller = self.link()
        opening = yield from self._request(poller, "GET", _POLLING)
        check(opening, b"0{")
        path = f"{_POLLING}&sid={json.loads(opening[1:])['sid']}"
        check((yield from self._request(poller, "POST", path, "40")).lower(), b"ok")
        check((yield from self._request(poller, "GET", path)), b"40{")
        link = self.link()
        link.send(wire.upgrade(path.replace("polling", "websocket"), self.port))
        yield from opened(link)
        poller.send(wire.request("GET", path, self.port))
        link.send(wire.client_frame("2probe"))
        check((yield from frame_of(link)), b"3probe")
        check((yield from response_of(poller)), b"6")
        link.send(wire.client_frame("5"))
        self.close(poller)
        link.script = None
        self.links.append(link)

    def _request(
        self, link: Link, method: str, path: str, body: str = ""
    ) -> Generator[None, None, bytes]:
        link.send(wire.request(method, path, self.port, body))
        return (yield from response_of(link))

    # Measuring

    def fan(self, trigger: Callable[[], None] | None = None) -> tuple[float, float]:
        """One emit that all clients get. Returns when the first and when the last one had it.

        The emit is asked for by the first client, or by `trigger`. `weigh_delivery` comes first.
        """
        receive, buffer = self.receive, self.buffer
        missing = len(self.links) * self._delivery
        first = 0.0
        (trigger or self._ask_for_fan)()
        while missing > 0:
            for descriptor, _ in self.poll():
                first = first or time.perf_counter()
                size = receive[descriptor](buffer)
                if not size:
                    raise BenchError("the server closed a socket")
                missing -= size
        if missing:
            raise BenchError("the server sent more than was asked for")
        return first, time.perf_counter()

    def weigh_delivery(self, trigger: Callable[[], None] | None = None) -> None:
        """Let everyone get one emit, and learn its size from the frames."""
        (trigger or self._ask_for_fan)()
        frames = self._frames(self.links)
        if len(set(frames)) != 1 or b"hello to everyone" not in frames[0]:
            raise BenchError(f"not all clients got the same: {set(frames)}")
        # The header of a short frame has two bytes.
        self._delivery = len(frames[0]) + 2

    def _ask_for_fan(self) -> None:
        self.links[0].send(self.dialect.fan)

    def echo(self, clients: int, seconds: float) -> int:
        """Each client sends an event, waits for its ack, sends the next; how many there were."""
        receive, buffer, event = self.receive, self.buffer, self.dialect.echo
        links = self.links[:clients]
        size = len(self._ask(links[0], event)) + 2
        send = {link.socket.fileno(): link.socket.send for link in links}
        for link in links:
            link.send(event)
        answered, going = 0, len(links)
        end = time.perf_counter() + seconds
        while going:
            ready = self.poll()
            over = time.perf_counter() >= end
            for descriptor, _ in ready:
                if receive[descriptor](buffer) != size:
                    raise BenchError("an answer that is not the ack")
                answered += 1
                if over:
                    going -= 1
                else:
                    send[descriptor](event)
        return answered

    def seen_to_leave(self) -> int:
        """How many sockets the server's application has seen to leave."""
        return self.dialect.count(self._ask(self.links[0], self.dialect.left))

    def user(self) -> bytes:
        """The answer of a client's that asked who its user is."""
        return self._ask(self.links[-1], self.dialect.who)

    def drop_all_but_one(self) -> None:
        for link in self.links[1:]:
            self.close(link)
        del self.links[1:]

    def _ask(self, link: Link, message: bytes) -> bytes:
        link.send(message)
        return self._frames([link])[0]

    def _frames(self, links: list[Link]) -> list[bytes]:
        """The next frame of each link."""
        frames: list[bytes] = []

        def one(link: Link) -> Script:
            link.script = self.running
            frames.append((yield from frame_of(link)))

        self.run((one(link) for link in links), len(links))
        return frames
