"""Who has a session: a client may be back before anybody saw that its old connection is dead."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..engine.connection import Connection
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from .sessions import Claim, Session, user_of
from .store import Held, Refused, Store

#: Seconds that an old connection has to show that it is alive, and how often it is looked at.
PROBE = 1.0
TICK = 0.02
#: Who asks is refused while another one comes back, or the old connection is alive.
BUSY = "its client is still connected, or already coming back"


class Holders:
    """Takes sessions over from sockets whose connections are dead, on this node or another."""

    def __init__(
        self,
        node: ServingNode,
        namespaces: Namespaces,
        sessions: Mapping[Socket, Session],
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._node = node
        self._namespaces = namespaces
        self._sessions = sessions
        self._settle = settle
        #: Sessions that the store is being asked for here, by their names, and for how many.
        self._asking: Counter[str] = Counter()
        node.requests.answers["recovery.detach"] = self._asked

    async def take(self, store: Store, claim: Claim, socket: Socket) -> Session | Refused:
        """Take a session for a socket. Raises ChannelLayerError."""
        found = await self._ask(store, claim, socket)
        if isinstance(found, Held):
            if not await self._detach(claim.pid, found):
                return Refused(BUSY)
            again = await self._ask(store, claim, socket, found)
            found = Refused(BUSY) if isinstance(again, Held) else again
        return found

    async def _ask(
        self, store: Store, claim: Claim, socket: Socket, instead_of: Held | None = None
    ) -> Session | Held | Refused:
        name = digest(claim.pid)
        self._asking[name] += 1
        try:
            return await store.take(
                claim.pid,
                socket.namespace,
                user_of(socket),
                claim.offset or 0,
                instead_of=instead_of,
            )
        finally:
            self._asking[name] -= 1
            if not self._asking[name]:
                del self._asking[name]

    def displace(self, session: Session, newcomer: Socket) -> None:
        """A socket has taken a session: no other one here has its sid."""
        # One was left over where this process hung, and the client went elsewhere meanwhile.
        other = self._namespaces.sockets.get(session.sid)
        if other is not None and other is not newcomer:
            self._send_away(other)

    async def _detach(self, pid: str, held: Held) -> bool:
        """Part a session from its socket; False if that is alive."""
        name = digest(pid)
        if held.node == self._node.id:
            return await self._let_go(name)
        if held.node not in self._node.cluster.nodes.live:
            return True
        replies = await self._node.requests.ask(
            "recovery.detach", {"session": name}, nodes=[held.node]
        )
        # A node that hangs can't say that the client is there.
        return bool(replies.answers.get(held.node, True))

    async def _asked(self, body: dict[str, Any]) -> bool:
        return await self._let_go(body["session"])

    async def _let_go(self, name: str) -> bool:
        is_free = await self._part(name)
        await self._settle()  # whoever takes it reads what this one left
        return is_free

    def _send_away(self, socket: Socket) -> None:
        # Should it be alive after all, it knows: it does not come back by itself.
        if socket.state is State.CONNECTED:
            self._namespaces.send_away(socket, "transport close")
            if not socket.client.sockets:
                socket.connection.close("transport close")
        elif socket.state is State.CONNECTING:
            socket.connection.close("transport close")

    async def _part(self, name: str) -> bool:
        # Redis may have given it to a socket that has not heard of that yet.
        end = asyncio.get_running_loop().time() + PROBE
        while name in self._asking:
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(TICK)
        socket = next(
            (socket for socket, session in self._sessions.items() if digest(session.pid) == name),
            None,
        )
        if socket is None:
            return True
        if await _is_alive(socket.connection):
            return False
        self._send_away(socket)
        return True


async def _is_alive(connection: Connection) -> bool:
    """Whether the client answers a ping."""
    if not connection.closed:
        connection.ping_now()
    end = asyncio.get_running_loop().time() + PROBE
    while asyncio.get_running_loop().time() < end:
        if connection.closed:
            return False
        if not connection.awaits_pong:
            return True
        await asyncio.sleep(TICK)
    return False


def digest(pid: str) -> str:
    """A name for a session that is no secret."""
    return hashlib.blake2b(pid.encode(), digest_size=16).hexdigest()
