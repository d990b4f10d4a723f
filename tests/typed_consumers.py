"""Consumers as a project with strict types writes them, which test_typing.py has checked."""

import asyncio
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Model

from realtime import SocketIOConsumer, event, namespace, recheck, room
from realtime.consumers import Ack
from realtime.permissions import BasePermission, HasPermission, IsAuthenticated, IsStaff


@namespace("/plain")
class Plain(SocketIOConsumer):
    """All handlers are plain `def`."""

    emits = {"welcome": dict, "said": str, "sure?": Callable[[], bool], "left": (str, str)}

    def connect(self, auth: dict[str, Any] | None) -> None:
        self.join("lobby", presence=True)
        self.emit("welcome", auth)

    def disconnect(self, reason: str) -> None:
        self.broadcast("left", self.sid, reason, skip_self=True)

    @event
    def say(self, room: str, text: str) -> dict[str, bool]:
        self.emit("said", text, to=room, skip_self=True)
        sure: bool = self.call("sure?", timeout=5)
        name = self.call("name")
        self.leave(room)
        return {"sure": sure, "named": name == "ada"}

    @event
    def later(self, *, ack: Ack) -> None:
        ack("done", 1)
        self.close(connection=True)


@namespace("/asynchronous")
class Asynchronous(SocketIOConsumer):
    """All handlers are `async def`."""

    async def connect(self, auth: dict[str, Any] | None) -> None:
        await super().connect(auth)
        await self.join("lobby", presence=True)

    async def disconnect(self, reason: str) -> None:
        await self.broadcast("left", self.sid, reason, skip_self=True)
        await super().disconnect(reason)

    @event
    async def say(self, room: str, text: str) -> dict[str, bool]:
        await asyncio.gather(self.emit("said", text, to=room), self.emit("echo", text))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.emit("said", text, to=room, skip=["sid"], volatile=True))
        sure: bool = await self.call("sure?")
        return {"sure": sure}

    @event("watch", concurrent=True)
    async def watch_instance(self, instance: Model, *, ack: Ack) -> None:
        await self.join(instance)
        await ack({"watching": True})
        await self.leave(instance)
        await self.close()


class Heir(Asynchronous):
    """A base of the project's own is overridden as before."""

    async def connect(self, auth: dict[str, Any] | None) -> None:
        await super().connect(auth)
        await self.emit("welcome")


class NotBanned(BasePermission):
    def may_connect(self, consumer: SocketIOConsumer) -> bool:
        return bool(consumer.user.is_active)

    async def may_handle(self, consumer: SocketIOConsumer, event: str, args: list[Any]) -> bool:
        return await super().may_handle(consumer, event, args) and len(args) == 1


@namespace("/ruled")
class Ruled(SocketIOConsumer):
    """Permissions and rooms with rules."""

    permission_classes = [IsAuthenticated & NotBanned, ~IsStaff | HasPermission("auth.view_user")]

    @room("teams.<int:pk>", model=Group, presence=True, recheck_on_save=True)
    def team(self, group: Group) -> bool:
        return bool(self.user.groups.contains(group))

    @room("lobby.<int:floor>")
    async def lobby(self, floor: int) -> bool:
        return floor > 7

    @event(permission_classes=[IsStaff | NotBanned])
    def rename(self, pk: int) -> None:
        recheck(Group(pk=pk), "lobby.8", namespace="/ruled")
