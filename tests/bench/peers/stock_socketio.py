"""python-socketio as its documentation shows it."""

import os
from typing import Any

import socketio

from tests.bench.peers import NO_PINGS, ROOM

_redis_url = os.environ.get("REDIS_URL")
sio = socketio.AsyncServer(
    async_mode="asgi",
    client_manager=socketio.AsyncRedisManager(_redis_url) if _redis_url else None,
    ping_interval=NO_PINGS,
    ping_timeout=NO_PINGS,
)
application = socketio.ASGIApp(sio)
_left = 0


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
    for room in auth["rooms"] if auth else [ROOM]:
        await sio.enter_room(sid, room)


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    global _left
    _left += 1


@sio.event
async def fan(sid: str, payload: Any) -> None:
    await sio.emit("tick", payload, to=payload["room"])


@sio.event
async def echo(sid: str, payload: Any) -> Any:
    return payload


@sio.event
async def left(sid: str) -> int:
    return _left
