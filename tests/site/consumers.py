"""Everything that a consumer can do, for clients to ask for by name."""

import asyncio
import random
import threading
import uuid
from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User

import realtime
from realtime import (
    ConnectionRefused,
    EventError,
    SocketIOConsumer,
    aemit,
    apresence,
    event,
    is_online,
    namespace,
    presence,
    server_event,
)
from realtime.asgi import get_server
from realtime.authentication import (
    JWTAuthentication,
    RestFrameworkTokenAuthentication,
    SessionAuthentication,
    SignedTokenAuthentication,
)

# These register their namespaces.
from . import groups as groups
from . import lists as lists
from . import orders as orders
from . import soak as soak
from .models import Clerk

PATIENCE = 30
#: Two sockets meet under a name: a handler that waits for the other holds nobody else up.
#: Connects wait at a gate that has a name until it is opened.
_gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
_meetings: dict[str, threading.Barrier] = defaultdict(lambda: threading.Barrier(2))


@server_event("introduce")
def introduce(*args: Any) -> dict[str, Any]:
    return {
        "node": get_server().node.id,
        "args": list(args),
        "users": User.objects.count(),
    }


@server_event("fail on a node")
async def fail_on_a_node(node: str) -> str:
    if get_server().node.id == node:
        raise RuntimeError("only here")
    return "well"


@namespace("/")
@namespace("/talk/<slug:topic>")
class TalkConsumer(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        auth = auth or {}
        if "refuse" in auth:
            raise ConnectionRefused("not today", auth["refuse"])
        if "gate" in auth:
            await aemit("at the gate", to=auth["gate"])
            await _gates[auth["gate"]].wait()
        if auth.get("crash"):
            raise RuntimeError("the connect handler has a bug")
        for room in auth.get("rooms", []):
            await self.join(room)
        await self.emit("welcome", self.kwargs, await self.who())

    async def disconnect(self, reason: str) -> None:
        await self.emit("left", self.sid, reason, to=f"watchers of {self.sid}")

    # What the client and the server say to each other

    @event
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    @event
    async def types(self, *args: Any) -> list[str]:
        return [type(arg).__name__ for arg in args]

    @event
    async def mirror(self, *args: Any) -> None:
        await self.emit("mirrored", *args)

    @event
    async def who(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "user": self.user.get_username(),
            "session": self.scope["session"].session_key,
            "namespace": self.namespace,
            "transport": self.scope["transport"],
        }

    @event
    async def interview(self, *args: Any) -> Any:
        """Asks the client while the client waits for this very answer."""
        return {"answer": await self.call("question", *args, timeout=PATIENCE)}

    @event("interview in a thread")
    def interview_in_thread(self, *args: Any) -> Any:
        return {"answer": self.call("question", *args, timeout=PATIENCE)}

    @event("open gate")
    async def open_gate(self, name: str) -> None:
        _gates[name].set()

    @event
    async def go(self) -> None:
        await self.close()

    # Rooms

    @event("join")
    async def join_room(self, room: str) -> None:
        await self.join(room)

    @event("leave")
    async def leave_room(self, room: str) -> None:
        await self.leave(room)

    @event
    async def say(self, to: str | list[str], text: Any, options: dict[str, Any]) -> None:
        await self.emit("said", text, to=to, **options)

    @event
    async def shout(self, text: Any, options: dict[str, Any]) -> None:
        await self.broadcast("shouted", text, **options)

    # Order and independence

    @event
    async def count(self, number: int) -> None:
        await asyncio.sleep(random.choice([0, 0, 0.001, 0.003]))
        await self.emit("counted", number)

    @event
    async def burst(self, number: int, hang_up: bool = False) -> None:
        """So many events in one turn of the loop, and perhaps the end of the connection."""
        for counted in range(number):
            await self.emit("counted", counted, b"attached")
        if hang_up:
            await self.close(connection=True)

    @event
    def meet(self, name: str) -> str:
        _meetings[name].wait(PATIENCE)
        return threading.current_thread().name

    @event("meet beside the ORM")
    async def meet_beside_orm(self, name: str) -> int:
        """The async ORM's thread is this handler's own too: the other socket uses it meanwhile."""
        await User.objects.acount()
        await sync_to_async(_meetings[name].wait)(PATIENCE)
        return await User.objects.acount()

    # All processes

    @event
    async def operate(self, name: str, args: list[Any], options: dict[str, Any]) -> Any:
        """Calls one of the operations; its result as a dict."""
        return asdict(await getattr(realtime, f"a{name}")(*args, **options))

    @event("operate in a thread")
    def operate_in_a_thread(self, name: str, args: list[Any], options: dict[str, Any]) -> Any:
        return asdict(getattr(realtime, name)(*args, **options))

    # What goes wrong

    @event
    async def crash(self) -> None:
        raise RuntimeError("the handler has a bug")

    @event("crash in a thread")
    def crash_in_thread(self) -> None:
        raise RuntimeError("the threaded handler has a bug")

    @event
    async def deny(self) -> None:
        raise EventError("not for you", code="forbidden", data={"level": 3})

    @event
    async def pair(self, first: Any, second: Any) -> list[Any]:
        return [first, second]


@namespace("/account")
class AccountConsumer(SocketIOConsumer):
    """Knows its users by whatever says who they are."""

    authentication_classes = (
        SessionAuthentication,
        SignedTokenAuthentication,
        JWTAuthentication,
        RestFrameworkTokenAuthentication,
    )

    async def connect(self, auth: Any) -> None:
        auth = auth or {}
        if "late" in auth:
            model = Clerk if auth.get("clerk") else User
            user = await model.objects.aget(username=auth["late"])
            await self.log_in(user, expires=timedelta(seconds=auth.get("age", 600)))
        await self.emit("welcome", self.user.get_username())

    @event
    async def who(self) -> str:
        return str(self.user.get_username())

    @event("online")
    def is_online(self, name: str) -> bool:
        return is_online(User.objects.get(username=name))


@namespace("/here")
class PresenceConsumer(SocketIOConsumer):
    """Whoever connects is present in the rooms that they name, or watches if they are nobody."""

    async def connect(self, auth: Any) -> None:
        for room in (auth or {}).get("rooms", []):
            await self.join(room, presence=True)
        for room in (auth or {}).get("signals", []):
            await self.join(f"signals of {room}")

    @event("join")
    async def join_room(self, room: str) -> None:
        await self.join(room, presence=True)

    @event("leave")
    async def leave_room(self, room: str) -> None:
        await self.leave(room)

    @event
    async def who(self, room: str) -> list[Any]:
        return [(p.user.name, p.sockets) for p in await apresence(room, self.namespace)]

    @event("who in a thread")
    def who_in_a_thread(self, room: str) -> list[Any]:
        return [(p.user.name, p.sockets) for p in presence(room, self.namespace)]

    @event("online")
    def is_online(self, name: str) -> bool:
        return is_online(User.objects.get(username=name))


@namespace("/once")
class OnceConsumer(SocketIOConsumer):
    @event(once="order.key")
    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Leaves a row each time that it is called."""
        row = Group.objects.create(name=uuid.uuid4().hex)
        return {"row": row.name, "item": order["item"]}

    @event
    def rows(self) -> list[str]:
        return list(Group.objects.order_by("pk").values_list("name", flat=True))
