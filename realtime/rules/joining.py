"""What a client says to join a room that has a rule, and to leave it."""

import logging
import time
from typing import Any

from django.conf import settings as django_settings

from ..events import Event, Handler
from ..exceptions import ChannelLayerError, EventError, PermissionRefused, RoomError
from ..logs import facts, failed
from ..node import current, rooms
from ..presences.clients import listed
from ..presences.queries import fetch_present
from ..recovery import past
from . import asking
from .asking import Admission
from .rule import RoomRule, match
from .spoken import JOIN, LEAVE, LEFT, Joined, Left

logger = logging.getLogger("realtime.rules")


async def join(self: Any, room: str) -> Joined:
    """Joins a room, if the server's rule for it says yes."""
    rule = await admit(self, room)
    if not rule.options.presence:
        return {"room": room}
    return {"room": room, "present": await _present(self.namespace, room)}


async def leave(self: Any, room: str) -> Left:
    """Leaves a room that was joined with `room:join`."""
    _found(self, room)
    await expel(self, room)
    return {"room": room}


async def admit(consumer: Any, room: str, *, is_back: bool = False) -> RoomRule:
    """Ask the rule of a room, and put the client into it; one that is back knows its past.

    Raises EventError for a room that no rule is for, PermissionRefused if the rule says no, and
    whatever the rule raises. A client that was in by the rule is then taken out.
    """
    rule, kwargs = _found(consumer, room)
    admission = Admission(consumer=consumer, asked=time.monotonic(), rule=rule, kwargs=kwargs)
    try:
        is_yes, instance = await asking.ask(consumer, rule, kwargs)
        if not is_yes:
            # The same for what does not exist: nobody is to learn what does.
            raise PermissionRefused("You may not join this room.")
    except Exception:
        if room in consumer.admitted:
            await expel(consumer, room)
        raise
    admission.instance = asking.room_of(instance)
    admission.row = asking.row_of(instance, rule.model)
    # What is emitted to a user is for the user's own sockets, whoever may follow the user.
    is_user = hasattr(instance, "is_authenticated")
    with_instance = rule.options.instance_room and not is_user
    asked = {} if is_back else _history(consumer, rule)
    await _enter(consumer, room, admission, with_instance, asked)
    return rule


async def readmit(consumer: Any, room: str) -> None:
    """Put a client that came back into a room again, or tell it that it is out."""
    try:
        await admit(consumer, room, is_back=True)
    except EventError as error:
        await consumer.emit(LEFT, room, {"code": error.code, "message": error.message})
    except Exception:  # a rule's bug costs its room
        about = facts(sid=consumer.sid, namespace=consumer.namespace, user=consumer.user)
        failed(logger, "the rule of room %s failed, for %s", room, consumer.sid, extra=about)
        await consumer.emit(LEFT, room, {"code": "internal", "message": "Internal error"})


async def _enter(
    consumer: Any, room: str, admission: Admission, with_instance: bool, asked: dict[str, Any]
) -> None:
    instance = admission.instance
    if with_instance and instance is not None:
        # Not if it was there before: code that put the client there will take it out.
        others = {name for other in consumer.admitted.values() for name in other.brought}
        if instance in others or instance not in consumer.rooms:
            admission.brought = (instance,)
    consumer.admitted[room] = admission
    try:
        for brought in admission.brought:
            await consumer.send({"type": "socketio.join", "room": brought, **asked})
        await consumer.send(
            {
                "type": "socketio.join",
                "room": room,
                "presence": admission.rule is not None and admission.rule.options.presence,
                "admission": admission,
                **asked,
            }
        )
    except (RoomError, ChannelLayerError):
        # It is in as many rooms as it may be, or Redis can't say what was emitted to this one.
        await expel(consumer, room)
        raise


def _history(consumer: Any, rule: RoomRule) -> dict[str, Any]:
    """What a join says of the past that the client gets."""
    if rule.options.history is None:
        return {}
    past.require(consumer.namespace, "history=")
    return {"history": past.wanted(rule.options.history)}


async def expel(consumer: Any, room: str) -> None:
    """Take a client out of a room that it joined by a rule, and of what that brought."""
    admission = consumer.admitted.get(room)
    if admission is None:
        return
    for name in (room, *admission.release(room)):
        await consumer.send({"type": "socketio.leave", "room": name})


def _found(consumer: Any, room: str) -> tuple[RoomRule, dict[str, Any]]:
    (name,) = rooms.targets((room,)) or ()  # RoomError for what no room can be called
    found = match(consumer.room_rules, name)
    if found is None:
        raise EventError(f"There is no such room to join{_hint(consumer)}.", code="unknown_room")
    return found


def _hint(consumer: Any) -> str:
    """In development, the patterns of the rooms that there are."""
    if not django_settings.DEBUG:
        return ""
    patterns = ", ".join(repr(rule.pattern) for rule in consumer.room_rules)
    return f"; the rooms of {type(consumer).__name__} are {patterns}"


async def _present(namespace: str, room: str) -> Any:
    try:
        return listed(await current.arun(lambda node: fetch_present(node, (namespace, room))))
    except ChannelLayerError:
        return []  # the client is told by `presence:state`


def handlers(rules: tuple[RoomRule, ...], declared: dict[str, Handler], owner: type) -> Any:
    """The handlers of a consumer class that has rules."""
    if not rules:
        return {}
    for name in (JOIN, LEAVE):
        if name in declared:
            raise TypeError(
                f"{owner.__module__}.{owner.__qualname__} has rooms that clients join with the"
                f" event {name!r}: {declared[name].function.__qualname__} can't handle it"
            )
    functions = {JOIN: join, LEAVE: leave}
    return {
        name: Handler(Event(name=name), function, owner) for name, function in functions.items()
    }
