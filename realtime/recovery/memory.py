"""The store of a site of one process: all is kept in the memory of the node."""

import itertools
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping

from ..engine.wheel import Handle, TimerWheel
from ..node.emissions import Emission
from ..node.keeping import Change
from . import changes
from .logs import Logs, merged
from .options import of_site, options_of
from .positions import Position, after
from .sessions import Session
from .store import Deliver, Held, Key, Missed, Past, Refused, Store, Wanted

#: Seconds between two looks for what is too old.
SWEEP = 5.0


class MemoryStore(Store):
    """Positions are given in the node's event loop. With several nodes each has its own."""

    carries = False

    def __init__(self, wheel: TimerWheel, deliver: Deliver) -> None:
        self._wheel = wheel
        self._deliver = deliver
        self._last: Position = 0
        self._logs = Logs()
        self._sessions: dict[str, Session] = {}
        #: Sessions whose sockets are gone, and what ends their windows; the oldest first.
        self._free: OrderedDict[str, Handle] = OrderedDict()
        self._holders = itertools.count(1)
        self._sweeping: Handle | None = None
        self._bounds = of_site()

    def start(self) -> None:
        self._bounds = of_site()
        self._sweep()

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _sweep(self) -> None:
        self._logs.sweep(time.time())
        self._sweeping = self._wheel.after(SWEEP, self._sweep)

    # Logs

    def publish(self, emission: Emission) -> None:
        position = self._last = after(self._last)
        options = options_of(emission.namespace) or self._bounds
        self._logs.add(position, emission, options, self._bounds.max_memory)
        self._deliver(position, emission)

    def shout(self, emission: Emission) -> None:
        """The channel layer does."""

    def position(self, key: Key) -> Position:
        return self._last

    def reached(self, namespace: str) -> Position:
        return self._last

    async def until(self, namespace: str, position: Position, keys: Collection[Key]) -> None:
        """What is logged is delivered."""

    async def hear(self, keys: Collection[Key]) -> None:
        """What is emitted in this process is heard anyway."""

    def ignore(self, keys: Collection[Key]) -> None:
        """As above."""

    async def missed(
        self,
        namespace: str,
        since: Mapping[str | None, Position],
        claimed: Position = 0,
        values: Position | None = None,
        certain: Position = 0,
    ) -> Missed:
        found = [
            self._logs.since((namespace, room), at, values, certain) for room, at in since.items()
        ]
        there = [part for part in found if part is not None]
        # An offset from the future is none of ours.
        whole = len(there) == len(found) and claimed <= self._last
        return Missed(merged(there), self._last, whole)

    def may_have_values(self, keys: Collection[Key]) -> bool:
        return any(self._logs.values.of(key) for key in keys)

    async def past(
        self, namespace: str, rooms: Mapping[str | None, Wanted | None]
    ) -> dict[str | None, Past]:
        return {room: self._logs.past((namespace, room), want) for room, want in rooms.items()}

    # Sessions

    async def take(
        self,
        pid: str,
        namespace: str,
        user: str,
        offset: Position,
        *,
        instead_of: Held | None = None,
    ) -> Session | Held | Refused:
        session = self._sessions.get(pid)
        if session is None or session.namespace != namespace:
            return Refused("its session is unknown here, or has expired")
        if session.came_as != user:
            return Refused("its session is another user's")
        holder = Held(session.node, session.holder)
        if pid not in self._free and instead_of != holder:
            return holder
        self._forget_window(pid)
        session.holder = str(next(self._holders))
        return session

    def keep(self, session: Session) -> None:
        if not session.holder:
            session.holder = str(next(self._holders))
        self._sessions[session.pid] = session

    def release(self, session: Session) -> None:
        pid = session.pid
        if self._sessions.get(pid) is not session:
            return
        options = options_of(session.namespace) or self._bounds
        self._free[pid] = self._wheel.after(options.window, self.drop, session)
        while len(self._free) > self._bounds.max_sessions:
            self.drop(self._sessions[next(iter(self._free))])

    def drop(self, session: Session) -> None:
        self._forget_window(session.pid)
        self._sessions.pop(session.pid, None)

    def touch(self, session: Session) -> None:
        """Its data is the socket's own."""

    async def settle(self) -> None:
        """There is nothing to write."""

    async def refresh(self, sessions: Collection[Session]) -> list[Session]:
        return []

    async def change(self, change: Change) -> None:
        for pid in list(self._free):
            session = self._sessions[pid]
            if not changes.apply(change, session, self._last):
                self.drop(session)

    def _forget_window(self, pid: str) -> None:
        window = self._free.pop(pid, None)
        if window is not None:
            window.cancel()

    def readings(self) -> dict[str, float]:
        return {
            "recovery_sessions": len(self._free),
            "recovery_logs": len(self._logs),
            "recovery_events": self._logs.events + len(self._logs.values),
            "recovery_bytes": self._logs.bytes + self._logs.values.bytes,
        }
