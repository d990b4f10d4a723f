"""The clients of a whole cluster: who is in which room, and emits at a rate or as fast as taken."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.bench import wire
from tests.bench.cluster.placement import Client
from tests.bench.load import WIDTH, Load
from tests.bench.processes import BenchError
from tests.bench.sockets import Link, Script

#: Seconds without a byte after which what is missing counts as lost.
LOST_AFTER = 10.0


def payload(room: str) -> dict[str, str]:
    """As long for each room: the benchmark's room names have five characters."""
    return wire.PAYLOAD | {"room": room}


#: The frame of the answer to an event with the ack id 0.
_ACK = len(b"430[]") + 2


@dataclass(frozen=True, kw_only=True)
class Pace:
    """So many emits in a second at most. With a `window` each emit is answered, and no more than
    so many are under way: neither answered nor delivered."""

    rate: float
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`seconds` from the first emit to the last delivery."""

    deliveries: int
    lost: int
    seconds: float


class ClusterLoad(Load):
    """Clients of several servers; `ports` are those of the nodes."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(ports[0], wire.SOCKETIO)
        self._ports = ports
        self._members: dict[str, list[Link]] = {}
        self._delivered = self._answered = 0

    def enter(self, clients: Iterable[Client]) -> None:
        """Connect these, each to its node and into its rooms."""
        self.run((self._entered(client) for client in clients), WIDTH)

    def _entered(self, client: Client) -> Script:
        rooms = list(client.rooms.values())
        hello = json.dumps({"rooms": rooms}, separators=(",", ":"))
        (first, _), *rest = wire.SOCKETIO.greeting
        greeting = ((first, f"40{hello}"), *rest)
        link = yield from self.greeted(self._ports[client.node], greeting)
        self.links.append(link)
        for room in rooms:
            self._members.setdefault(room, []).append(link)

    def asking(self, room: str, turn: int, *, answered: bool) -> Callable[[], None]:
        """Let a member of the room ask its node for an emit; at each turn another member."""
        members = self._members[room]
        link = members[turn % len(members)]
        text = json.dumps(payload(room), separators=(",", ":"))
        frame = wire.client_frame(f'42{"0" if answered else ""}["fan",{text}]')
        return lambda: link.send(frame)

    def emits(self, triggers: Sequence[Callable[[], None]], members: int, pace: Pace) -> Outcome:
        """Pull the triggers, each of which is an emit to as many members, and count what comes."""
        self._delivered = self._answered = 0
        wanted = len(triggers) * members
        answers = len(triggers) if pace.window else 0
        pulled = 0
        begun = heard = time.perf_counter()
        while self._delivered < wanted or self._answered < answers:
            patience = LOST_AFTER
            if pulled < len(triggers) and self._open_to(pulled, members, pace.window):
                patience = begun + pulled / pace.rate - time.perf_counter()
                if patience <= 0:
                    triggers[pulled]()
                    pulled += 1
                    continue
            if self._hear(patience):
                heard = time.perf_counter()
            elif patience == LOST_AFTER:
                break
        if self._delivered > wanted:
            raise BenchError("the servers sent more than was asked for")
        return Outcome(
            deliveries=self._delivered,
            lost=wanted - self._delivered,
            seconds=max(heard - begun, 1e-9),
        )

    def _open_to(self, pulled: int, members: int, window: int | None) -> bool:
        done = min(self._answered, self._delivered // members)
        return window is None or pulled - done < window

    def _hear(self, patience: float) -> bool:
        """Whether anything came within so many seconds."""
        receive, buffer, delivery = self.receive, self.buffer, self._delivery
        ready = self._epoll.poll(patience)
        for descriptor, _ in ready:
            size = receive[descriptor](buffer)
            if not size:
                raise BenchError("a server closed a socket")
            # A delivery is longer than all answers that one client can wait for.
            self._delivered += size // delivery
            self._answered += size % delivery // _ACK
        return bool(ready)
