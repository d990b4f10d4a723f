"""realtime: a consumer with `@event` handlers.

GC in the environment says what the garbage collector is told at the start: "off" (what it costs at
most), "raised" thresholds, or "untouched" (as Python has it, without realtime's own threshold).
"""

import gc
import os
from typing import Any

from realtime import SocketIOConsumer, event, namespace
from realtime.asgi import get_asgi_application
from tests.bench.peers import ROOM

_left = 0


@namespace("/")
class LobbyConsumer(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        for room in auth["rooms"] if auth else [ROOM]:
            await self.join(room)

    async def disconnect(self, reason: str) -> None:
        global _left
        _left += 1

    @event
    async def fan(self, payload: Any) -> None:
        await self.emit("tick", payload, to=payload["room"])

    @event
    async def echo(self, payload: Any) -> Any:
        return payload

    @event
    async def left(self) -> int:
        return _left

    @event
    async def who(self) -> str:
        return str(self.user.get_username())


application = get_asgi_application()

match os.environ.get("GC"):
    case "off":
        gc.disable()
    case "raised":
        gc.set_threshold(50_000, 20, 50)
