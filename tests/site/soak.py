"""Clients that come back again and again; tests/soak looks at what they got."""

from typing import Any

from realtime import SocketIOConsumer, event, namespace
from tests.soak.options import NAMESPACE


@namespace(NAMESPACE)
class SoakConsumer(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        rooms, client = auth["rooms"], auth["client"]
        if not self.recovered:
            for room in rooms:
                await self.join(room)
            self.data["client"] = client
        elif self.data.get("client") != client:
            await self.emit("fault", f"data of a recovered client is {self.data}")
        elif not set(rooms) <= set(self.rooms):
            await self.emit("fault", f"rooms of a recovered client are {self.rooms}")

    @event
    async def say(self, to: Any, *args: Any) -> None:
        if to is None:
            await self.broadcast("said", *args)
        else:
            await self.emit("said", *args, to=to)

    @event
    async def blink(self, to: Any, *args: Any) -> None:
        await self.emit("blinked", *args, to=to, volatile=True)
