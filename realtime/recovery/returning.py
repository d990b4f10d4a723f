"""Clients that come back: each gets its session, or a new one, and the log says why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..conf import settings
from ..exceptions import ChannelLayerError
from ..logs import brief, facts
from ..metrics.counters import count
from ..node.keeping import Change, Recovered
from ..node.node import ServingNode
from ..node.sockets import Socket, State
from ..server.namespaces import Namespaces
from . import changes
from .catching import CatchingUp
from .holders import Holders
from .kept import Kept
from .options import limit_of, options_of
from .outage import PATIENCE, RETRY, Outage, put_off
from .sessions import EVERYONE, Claim, Session
from .store import Refused

logger = logging.getLogger("realtime.recovery")


class Returning:
    """Gives sockets of one node the sessions that their clients claim."""

    def __init__(
        self,
        node: ServingNode,
        namespaces: Namespaces,
        kept: Kept,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._node = node
        self._namespaces = namespaces
        self._kept = kept
        self._holders = Holders(node, namespaces, kept.sessions, settle)
        self._outage = Outage()
        #: What operations did while sessions were being taken.
        self._steered: list[list[Change]] = []

    async def recover(self, socket: Socket, claim: Claim) -> Recovered | None:
        found = await self._taken_in_time(socket, claim)
        if socket.state is not State.CONNECTING:  # nobody is there to be told
            return None
        if isinstance(found, Refused):
            self._refuse(socket, found.why)
            return None
        found.recovered = True
        return self._give_back(socket, found)

    async def _taken_in_time(self, socket: Socket, claim: Claim) -> Session | Refused:
        """As `_taken`, but while the store is away the client waits, or has to come again."""
        time, options = self._node.wheel.time, options_of(socket.namespace)
        patience = 0.0 if options is None else min(options.window, PATIENCE)
        end = time() + settings.EMIT_TIMEOUT
        while True:
            try:
                found = await self._taken(socket, claim)
            except ChannelLayerError as error:
                if self._outage.failed(time()) >= patience:
                    return Refused(f"the store of sessions is away ({brief(error)})")
                if time() >= end:
                    put_off(socket, error)
                if socket.state is not State.CONNECTING:
                    return Refused("it left again")
                await asyncio.sleep(RETRY)
            else:
                self._outage.ended()
                return found

    async def _taken(self, socket: Socket, claim: Claim) -> Session | Refused:
        """The session of a client that came back, with all that it missed."""
        if claim.garbled:
            return Refused("its id or its offset is none")
        kept = self._kept
        steered: list[Change] = []
        self._steered.append(steered)
        try:
            session = await self._holders.take(kept.store, claim, socket)
        finally:
            self._steered.remove(steered)
        if isinstance(session, Refused):
            return session
        # Nothing was awaited since it was taken: `Holders` counts on it.
        self._holders.displace(session, socket)
        if session.may_have_more_than(claim.offset):
            kept.store.drop(session)
            return Refused("it may have got some of what it missed at an attempt that broke off")
        if max(session.floor, claim.offset or 0) < session.lost_before:
            kept.store.drop(session)
            return Refused("the log was lost since")
        position = kept.store.reached(socket.namespace)
        if not all(changes.apply(change, session, position) for change in steered):
            kept.store.drop(session)
            return Refused("it was disconnected by an operation")
        session.tried = None
        if socket.state is not State.CONNECTING:
            kept.store.release(session)
            return Refused("it left again")
        kept.sessions[socket] = session
        try:
            whole = await self._catch(socket, session, claim)
        except BaseException:
            if kept.forget(socket) is not None:
                kept.store.release(session)
            raise
        if socket not in kept.sessions:  # it left meanwhile
            return Refused("it left again")
        if not whole:
            kept.forget(socket)
            kept.store.drop(session)
            return Refused("the log does not reach back so far")
        return session

    async def _catch(self, socket: Socket, session: Session, claim: Claim) -> bool:
        """Get what was missed, and hold what comes from now on; False if the log lacks some."""
        namespace, store = socket.namespace, self._kept.store
        limit = limit_of(namespace)
        catching = self._kept.hold(CatchingUp(socket, session, limit, came_with=claim.offset or 0))
        await self._kept.hear(socket, [(namespace, room) for room in session.rooms])
        session.sent = claim.offset or 0
        since = session.since(claim.offset)
        # This node may be behind what the client got elsewhere. What is yet to be delivered here is
        # asked for as well: it must have been before the socket is a member, which would get it.
        behind = {room: min(at, store.position((namespace, room))) for room, at in since.items()}
        values = min([session.sent, *behind.values()])
        missed = await store.missed(
            namespace, behind, claim.offset or 0, values, certain=session.floor
        )
        news = [entry for entry in missed.entries if session.lacks(*entry, since)]
        if not missed.whole or len(news) > limit:
            return False
        catching.found(news, missed)
        return True

    def _refuse(self, socket: Socket, why: str) -> None:
        self._kept.unrecovered.add(socket)
        count("recoveries.refused")
        logger.info(
            "a client that came back to %s was not recovered: %s",
            socket.namespace,
            why,
            extra=facts(sid=socket.sid, namespace=socket.namespace),
        )

    async def steered(self, change: Change) -> None:
        """An operation also concerns clients that are away, or just coming back."""
        for steered in self._steered:
            steered.append(change)
        for socket, session in list(self._kept.sessions.items()):
            if socket.state is State.CONNECTING and changes.concerns(change, session):
                self._steer(socket, session, change)
        await self._kept.store.change(change)

    def _steer(self, socket: Socket, session: Session, change: Change) -> None:
        if not changes.apply(change, session, self._kept.store.reached(session.namespace)):
            self._kept.forget(socket)
            self._kept.store.drop(session)
            self._namespaces.close(socket)
        elif change.kind == "leave":
            socket.rooms.discard(change.room)
        elif change.room in session.rooms:
            socket.rooms.add(change.room)

    def _give_back(self, socket: Socket, session: Session) -> Recovered:
        ruled, session.ruled = session.ruled, {}
        not_yet = {EVERYONE, session.sid, *ruled, *(room for of in ruled.values() for room in of)}
        self._namespaces.rename(socket, session.sid)
        socket.rooms |= {room for room in session.rooms if room is not None} - not_yet
        socket.data.update(session.data)
        for room in session.presence & socket.rooms:
            for follower in self._node.followers:
                follower.wants_presence(socket, room)
        return Recovered(session.sid, tuple(ruled))
