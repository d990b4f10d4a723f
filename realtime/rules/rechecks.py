"""Asks the rules of this node's sockets again when what they read has changed.

Many may be concerned at once: they wait in line, some workers ask for a batch at a time, and who
stands in line already is asked once.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from ..aio.tasks import Tasks
from ..cluster.remembered import Remembered
from ..conf import settings
from ..exceptions import EventError
from ..logs import facts
from ..metrics.counters import count
from ..node import emissions, unicast
from ..node.followers import Follower
from ..node.rooms import RESERVED
from ..node.sockets import Socket, State
from ..revocation.guard import Guard
from ..revocation.login import Notice
from ..revocation.memory import Id
from ..server.namespaces import Namespaces
from .asking import Admission
from .asking_again import FAILED, Verdict, ask_again
from .news import EVERYONE, Concern
from .spoken import LEFT, Reason

logger = logging.getLogger("realtime.rules")

#: Rules that are asked in one turn of a worker, and workers. Each has a lane while it asks.
BATCH = 50
WORKERS = 3
#: Seconds until those are asked again of whom the database could say nothing, and after which a
#: client is out of whom nobody can say that it may stay.
RETRY = 2.0
GIVE_UP = 30.0
#: Concerns that are remembered, for those who are just joining.
MAX_REMEMBERED = 10_000
#: Seconds between two looks whether all have to be asked again, because something was missed.
UPKEEP_INTERVAL = 1.0

#: A socket, and a room that it is in by a rule; None for its namespace.
Place = tuple[Socket, str | None]


class Rechecks(Follower):
    """Knows by which rules the sockets of this node are where they are."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._node = namespaces.node
        self._admissions: dict[Socket, dict[str | None, Admission]] = {}
        #: By the room of the instance that a rule was given.
        self._by_instance: dict[str, set[Place]] = {}
        #: Those in line.
        self._due: OrderedDict[Place, None] = OrderedDict()
        #: Since when nobody could say anything of them.
        self._unknown: dict[Place, float] = {}
        self._tasks = Tasks()
        #: Workers that will look at the line again. A task that ends is still a task for a moment.
        self._at_work = 0
        self._seen = Remembered()
        #: When each concern was heard of last; the oldest first.
        self._heard_at: OrderedDict[Concern, float] = OrderedDict()
        self._in_doubt = False
        self._asked_all_at = float("-inf")
        self._guard: Guard | None = None

    @property
    def is_busy(self) -> bool:
        """Whether rules are asked now, or about to be."""
        return bool(self._due or self._at_work)

    def start(self) -> None:
        guard = self._guard = self._node.follower(Guard)
        if guard is not None:
            guard.on_other.append(self._heard)
            guard.on_doubt.append(self._doubt)
        self._tasks.start(self._keep_up())

    async def stop(self) -> None:
        await self._tasks.end()

    # What the node tells of its sockets

    def admitted(self, socket: Socket, room: str | None, admission: Admission) -> None:
        if socket.state is State.CLOSED:
            return
        self._forget(socket, room)
        self._admissions.setdefault(socket, {})[room] = admission
        for instance in admission.instances:
            self._by_instance.setdefault(instance, set()).add((socket, room))
        if self._is_overtaken(socket, room, admission):
            self._put([(socket, room)])

    def _is_overtaken(self, socket: Socket, room: str | None, admission: Admission) -> bool:
        """Whether news came when the rule was asked already, which it may not have known."""
        concerns: list[Concern] = [EVERYONE, ("namespace", socket.namespace)]
        if room is not None:
            concerns += [("room", None, room), ("room", socket.namespace, room)]
        concerns += [("instance", instance) for instance in admission.instances]
        if socket.user is not None:
            concerns.append(("user", f"{RESERVED}{socket.user['model']}:{socket.user['pk']}"))
        return any(self._heard_at.get(each, admission.asked) > admission.asked for each in concerns)

    def identified(self, socket: Socket) -> None:
        # It may be somebody else than the one whom the rules let in.
        self._put(self._places([socket]))

    def left(self, socket: Socket, room: str) -> None:
        admission = self._forget(socket, room)
        if admission is not None:
            for brought in admission.release(room):
                self._node.leave_room(socket, brought)
            return
        for name, brought_by in list(self._admissions.get(socket, {}).items()):
            if name is not None and room in brought_by.brought:
                brought_by.brought = ()
                self._node.leave_room(socket, name)

    def removed(self, socket: Socket) -> None:
        for room in list(self._admissions.get(socket, ())):
            self._forget(socket, room)

    def refused(self, socket: Socket) -> None:
        self.removed(socket)

    def _forget(self, socket: Socket, room: str | None) -> Admission | None:
        held = self._admissions.get(socket, {})
        admission = held.pop(room, None)
        if admission is None:
            return None
        if not held:
            del self._admissions[socket]
        self._unknown.pop((socket, room), None)
        for instance in admission.instances:
            self._by_instance[instance].discard((socket, room))
            if not self._by_instance[instance]:
                del self._by_instance[instance]
        return admission

    def rooms_of(self, socket: Socket) -> dict[str, tuple[str, ...]]:
        """The rooms that a socket is in by rules, each with the rooms that it brought with it."""
        held = self._admissions.get(socket, {})
        return {room: admission.brought for room, admission in held.items() if room is not None}

    # What has changed

    def _heard(self, id: Id, notice: Notice) -> None:
        if self._seen.note(id):  # each comes twice
            return
        for concern in map(tuple, notice["recheck"]):
            self._heard_at[concern] = time.monotonic()
            self._heard_at.move_to_end(concern)
            if len(self._heard_at) > MAX_REMEMBERED:
                self._heard_at.popitem(last=False)
            self._put(self._concerned(concern))

    def _concerned(self, concern: Concern) -> Iterable[Place]:
        match concern:
            case ("instance", str(room)):
                return list(self._by_instance.get(room, ()))
            case ("user", str(room)) if self._guard is not None:
                return self._places(self._guard.sockets_of(room))
            case ("room", namespace, str(room)):
                members = self._node.members.matching(namespace, (room,))
                return [place for place in self._places(members) if place[1] == room]
            case ("namespace", str(namespace)):
                return self._places(self._node.members.matching(namespace, None))
        # Everyone; and what a newer process says that this one does not understand.
        return self._places(self._admissions)

    def _places(self, sockets: Iterable[Socket]) -> Iterator[Place]:
        for socket in list(sockets):
            for room in list(self._admissions.get(socket, ())):
                yield socket, room

    def _doubt(self) -> None:
        self._in_doubt = True

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_INTERVAL)
            # While the layer is away nothing will be heard either: then not at each look.
            is_well = self._node.cluster.nodes.healthy and not self._node.bus.in_trouble
            since = time.monotonic() - self._asked_all_at
            if self._in_doubt and (is_well or since > settings.LOGIN_CHECK_INTERVAL):
                self._in_doubt = False
                self._asked_all_at = time.monotonic()
                self._put(self._places(self._admissions))

    # Asking again

    def _put(self, places: Iterable[Place]) -> None:
        for place in places:
            self._due[place] = None
        while self._at_work < min(WORKERS, -(-len(self._due) // BATCH)):
            self._at_work += 1
            self._tasks.start(self._work())

    async def _work(self) -> None:
        try:
            while self._due:
                await self._ask_some()
                await asyncio.sleep(0)
        finally:
            self._at_work -= 1

    async def _ask_some(self) -> None:
        batch: list[tuple[Place, Admission]] = []
        while self._due and len(batch) < BATCH:
            place, _ = self._due.popitem(last=False)
            admission = self._admission_of(place)
            if admission is not None:
                batch.append((place, admission))
        for (place, admission), verdict in zip(batch, await self._ask(batch), strict=True):
            if self._admission_of(place) is admission:
                self._heed(place, verdict)

    def _admission_of(self, place: Place) -> Admission | None:
        socket, room = place
        return self._admissions.get(socket, {}).get(room)

    async def _ask(self, batch: list[tuple[Place, Admission]]) -> list[Verdict]:
        try:
            return await ask_again([admission for _, admission in batch])
        except Exception:  # what reads users may be the project's own
            count("rules.failed")
            logger.exception(
                "rules could not be checked again: %d clients were removed", len(batch)
            )
            return [FAILED] * len(batch)

    def _heed(self, place: Place, verdict: Verdict) -> None:
        if verdict.is_unknown:
            since = self._unknown.setdefault(place, time.monotonic())
            if time.monotonic() - since < GIVE_UP:
                asyncio.get_running_loop().call_later(RETRY, self._put, [place])
                return
            verdict = FAILED
        self._unknown.pop(place, None)
        if verdict.error is not None:
            self._send_away(place, verdict.error)

    def _send_away(self, place: Place, error: EventError) -> None:
        socket, room = place
        count("rooms.revoked" if room is not None else "namespaces.revoked")
        user = None if socket.user is None else socket.user["pk"]
        logger.info(
            "took %s out of %s: %s",
            socket.sid,
            "its namespace" if room is None else f"room {room!r}",
            error,
            extra=facts(sid=socket.sid, namespace=socket.namespace) | {"user": user},
        )
        if room is None:
            self._namespaces.close(socket)
            return
        self._node.leave_room(socket, room)
        why: Reason = {"code": error.code, "message": error.message}
        emission = emissions.encode(LEFT, [room, why], namespace=socket.namespace, to=(socket.sid,))
        if socket.state is State.CONNECTED:
            unicast.send(socket, emission)
