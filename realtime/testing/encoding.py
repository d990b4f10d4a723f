"""A consumer whose messages are what would come out at the other end of a wire."""

from collections.abc import Callable
from typing import Any

from ..node import emissions, records
from ..server.applications import Application
from .values import over_the_wire


class Encoded:
    """An application of protocol type `socketio` around another: it can send what a server can."""

    def __init__(self, application: Application, tell: Callable[[dict[str, Any]], None]) -> None:
        """`tell` puts a message among those that the application receives."""
        self._application = application
        self._tell = tell

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def encode(message: dict[str, Any]) -> None:
            if message["type"] == "socketio.tell":
                self._tell({"type": "socketio.told", "message": message["message"]})
            else:
                await send(_encoded(message, scope["path"]))
                _keep_rooms(scope["rooms"], message)

        await self._application(scope, receive, encode)


def _keep_rooms(rooms: set[str], message: dict[str, Any]) -> None:
    """The server keeps the rooms of a socket, not the consumer."""
    if message["type"] == "socketio.join":
        rooms.add(message["room"])
    elif message["type"] == "socketio.leave":
        rooms.discard(message["room"])


def _encoded(message: dict[str, Any], namespace: str) -> dict[str, Any]:
    """A message as a client gets it. Raises TypeError or ValueError for what can't be sent."""
    kind = message["type"]
    if kind == "socketio.emit":
        return {**message, "args": _emitted(message, namespace)}
    if kind == "socketio.ack":
        return {**message, "args": over_the_wire(message["args"])}
    if kind == "socketio.refuse" and message.get("data") is not None:
        return {**message, "data": over_the_wire([message["data"]])[0]}
    return message


def _emitted(message: dict[str, Any], namespace: str) -> tuple[Any, ...]:
    to = message["to"]
    emission = emissions.encode(
        message["event"],
        message["args"],
        namespace=namespace,
        to=None if to is None else tuple(to),
        skip=message.get("skip", ()),
        volatile=message.get("volatile", False),
        retain=message.get("retain"),
    )
    records.record(emission)
    return tuple(over_the_wire(message["args"]))
