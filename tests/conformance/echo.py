"""An Engine.IO server that sends every message back; the environment sets its options.

Messages that begin with "!" are commands, for what a test cannot do from outside.
"""

import json
import os
from typing import Any

from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        CSRF_TRUSTED_ORIGINS=["https://*.trusted.example"],
        SECRET_KEY="conformance",
    )

from realtime.engine.server import Connection, EngineServer, Frames
from realtime.exceptions import ProtocolError
from realtime.metrics import counters as metrics


class Echo:
    def __init__(self) -> None:
        self.ends: list[str] = []

    def opened(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("!"):
            name, *arguments = message[1:].split()
            getattr(self, name)(connection, *arguments)
        else:
            connection.send(Frames((message,)))

    def closed(self, connection: Connection, reason: str) -> None:
        self.ends.append(reason)

    # Commands

    def state(self, connection: Connection) -> None:
        """What the server knows."""
        answer = {
            "wire": type(connection.wire).__name__,
            "address": connection.address,
            "open": len(engine.sockets),
            "ends": self.ends,
            "counts": metrics.counts,
        }
        connection.send(Frames((json.dumps(answer),)))

    def flood(self, connection: Connection, count: str, size: str) -> None:
        """`count` messages, each with a number and of `size` characters."""
        for number in range(int(count)):
            connection.send(Frames((f"{number} ".ljust(int(size), "x"),)))

    def volatile(self, connection: Connection, count: str, size: str) -> None:
        for number in range(int(count)):
            connection.send(Frames((f"{number} ".ljust(int(size), "x"),)), volatile=True)

    def binary(self, connection: Connection, text: str) -> None:
        """A text message with two attachments."""
        connection.send(Frames((text, b"\1\2", b"")))

    def later(self, connection: Connection, seconds: str, text: str) -> None:
        engine.wheel.after(float(seconds), connection.send, Frames((text,)))

    def pause(self, connection: Connection, seconds: str) -> None:
        connection.pause()
        engine.wheel.after(float(seconds), connection.resume)

    def close(self, connection: Connection) -> None:
        connection.send(Frames(("last words",)))
        connection.close()

    def reject(self, connection: Connection) -> None:
        raise ProtocolError("as the test wants it")

    def crash(self, connection: Connection) -> None:
        raise ValueError("as the test wants it")


def _options() -> dict[str, Any]:
    return {
        name.removeprefix("ENGINE_").lower(): float(value) if "." in value else int(value)
        for name, value in os.environ.items()
        if name.startswith("ENGINE_")
    }


engine = EngineServer(sink=Echo(), **_options())
engine.limit_bodies(lambda path, root: path.rstrip("/") == "/engine.io")


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] in ("http", "websocket"):
        await engine(scope, receive, send)
