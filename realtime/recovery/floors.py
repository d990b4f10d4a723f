"""Up to where clients have everything for certain, whatever they say or do not say.

A client that gets no events, because all that its rooms say is its own, has an old offset, and the
log will one day not reach back to it. But who has answered a ping has everything from before it.
"""

from collections import deque
from collections.abc import Mapping

from ..conf import settings
from ..node.sockets import Socket
from .options import REFRESH, SLACK
from .positions import Position
from .sessions import Session
from .store import Store


class Floors:
    """Where the namespaces of one node were, and when."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, dict[str, Position]]] = deque()

    def look(self, store: Store, sessions: Mapping[Socket, Session], now: float) -> None:
        """Remember how far each namespace is, and raise the floors of sessions."""
        if self._looks and now > self._looks[-1][0] + REFRESH + SLACK:
            self._looks.clear()  # this process hung, and does not know yet whose ping is overdue
        namespaces = {session.namespace for session in sessions.values()}
        self._looks.append((now, {name: store.reached(name) for name in namespaces}))
        until_gone = settings.PING_INTERVAL + settings.PING_TIMEOUT + SLACK
        certain: tuple[float, dict[str, Position]] | None = None
        while self._looks and self._looks[0][0] <= now - until_gone:
            certain = self._looks.popleft()
        if certain is None:
            return
        self._looks.appendleft(certain)  # until there is a later one
        at, reached = certain
        for socket, session in sessions.items():
            if not socket.connection.awaits_pong and 0 < session.connected_at <= at:
                session.floor = max(session.floor, reached.get(session.namespace, 0))
