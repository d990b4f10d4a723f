"""The site of recovering.py, with namespaces that tell those who join what was said."""

# The settings come first.
from tests.conformance.recovering import Lasting, application  # isort: skip

import asyncio
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from realtime import event, namespace
from realtime import room as rule

__all__ = ["application"]


def history_of(said: Any) -> Any:
    """What `history=` gets, from JSON."""
    if isinstance(said, dict):
        if "seconds" in said:
            return timedelta(seconds=said["seconds"])
        return datetime.fromisoformat(said["since"])
    return said


@namespace("/told")
@namespace("/told/<slug:topic>")
@namespace("/valued")
class Told(Lasting):
    recovery = {"MAX_EVENTS": 500, "HISTORY": 600, "MAX_RETAINED": 5}

    async def connect(self, auth: Any) -> None:
        await super().connect(auth)
        for room, said in (auth or {}).get("rooms", {}).items():
            await self.join(room or None, history=history_of(said))
        if "hello" in (auth or {}):
            await self.emit("hello")

    @event("enter told")
    async def enter_told(self, room: str | None, said: Any) -> None:
        await self.join(room, history=history_of(said))

    @event("enter at once")
    async def enter_at_once(self, rooms: list[str], said: Any) -> list[str]:
        joins = [self.join(room, history=history_of(said)) for room in rooms]
        done = await asyncio.gather(*joins, return_exceptions=True)
        return [type(failure).__name__ for failure in done if failure is not None]

    @event("enter and exit")
    async def enter_and_exit(self, room: str) -> bool:
        """Leave a room before the join is done, if that takes its time; whether it did."""
        joining = asyncio.ensure_future(self.join(room))
        await asyncio.sleep(0.1)
        took_time = not joining.done()
        await self.leave(room)
        await joining
        return took_time

    @event("enter plainly")
    def enter_plainly(self, room: str, said: Any) -> None:
        self.join(room, history=history_of(said))

    @rule("open.<slug:name>", history=3)
    async def open_room(self, name: str) -> bool:
        return name != "closed"

    @event("enter user")
    async def enter_user(self, pk: int, said: Any) -> None:
        await self.join(User(pk=pk), history=history_of(said))

    @event("say user")
    async def say_user(self, pk: int, name: str, *args: Any) -> None:
        await self.emit(name, *args, to=User(pk=pk))

    @event
    async def shout(self, name: str, *args: Any) -> None:
        await self.broadcast(name, *args)

    @event
    async def set(self, room: Any, key: str, name: str, *args: Any) -> None:
        await self.emit(name, *args, to=room, retain=key)

    @event("set all")
    async def set_all(self, key: str, name: str, *args: Any) -> None:
        await self.broadcast(name, *args, retain=key)

    @event("set often")
    async def set_often(self, room: str, times: int, size: int) -> None:
        for number in range(times):
            await self.emit("price", number, "x" * size, 0, to=room, retain="ACME")
            if number % 100 == 0:
                await self.emit("news", number, to=room)

    @event("count")
    async def count_up(self, room: str, times: int) -> None:
        for number in range(times):
            await self.emit("news", number, to=room)

    @event("fault")
    async def fault(self, said: Any) -> str:
        try:
            await self.join("anywhere", history=history_of(said))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    @event("retain")
    async def retain(self, key: Any, volatile: bool) -> str:
        try:
            await self.emit("price", 1, to="anywhere", retain=key, volatile=volatile)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""


@namespace("/untold")
class Untold(Told):
    recovery = False
