"""A site with consumers for raw Socket.IO clients; TALK_REALTIME holds its `REALTIME` as JSON.

It remembers which handlers ran for which socket, and tells: what a client sees of its own end says
nothing about whether the server did its part.
"""

import asyncio
import gc
import json
import os
import threading
import weakref
from collections import defaultdict
from typing import Any

import socketio
from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "channels",
            "realtime",
        ],
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"named": {"format": "%(levelname)s %(name)s: %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "named"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
        },
        REALTIME=json.loads(os.environ.get("TALK_REALTIME", "{}")),
        ROOT_URLCONF=__name__,
        SECRET_KEY="conformance",
    )

from realtime.asgi import get_asgi_application, get_server

application = get_asgi_application()
server = get_server()
urlpatterns: list[Any] = []

# Consumers can be made only once Django is set up.
from realtime import ConnectionRefused, EventError, SocketIOConsumer, event, namespace  # noqa: E402
from realtime.engine.transports import bodies  # noqa: E402
from realtime.metrics.counters import counts  # noqa: E402

#: sid -> the connect and disconnect handlers that ran, with what they were given.
history: dict[str, list[list[Any]]] = defaultdict(list)
#: The consumers that are still in memory.
consumers: "weakref.WeakSet[Talk]" = weakref.WeakSet()
#: Ends the handlers that block their threads.
unblocked = threading.Event()


@namespace("/")
@namespace("/custom")
@namespace("/many/<int:number>")
class Talk(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        history[self.sid].append(["connect", auth])
        consumers.add(self)
        asked: dict[str, Any] = auth or {}
        if "refuse" in asked:
            raise ConnectionRefused("not today", asked["refuse"])
        if "refuse with nonsense" in asked:
            raise ConnectionRefused("not today", object())
        if "crash" in asked:
            raise RuntimeError("the connect handler has a bug")
        if "welcome" in asked:
            words = {"said": "before"}
            await self.emit("welcome", words)
            words["said"] = "after"
        await self.join("lobby")
        await asyncio.sleep(asked.get("sleep", 0))

    async def disconnect(self, reason: str) -> None:
        history[self.sid].append(["disconnect", reason])
        if self.data.get("crash at the end"):
            raise RuntimeError("the disconnect handler has a bug")

    # What the tests want to know

    @event
    async def past(self, sid: str) -> list[list[Any]]:
        return history[sid]

    @event
    async def everyone(self) -> dict[str, list[list[Any]]]:
        return history

    @event
    async def members(self) -> list[str]:
        return [socket.sid for socket in server.node.members.members("/", ("lobby",))]

    @event
    async def collector(self) -> tuple[int, bool]:
        """Its first threshold, and whether it ignores what the process was started with."""
        return gc.get_threshold()[0], gc.get_freeze_count() > 10_000

    @event
    async def address(self) -> list[Any]:
        environ = server.get_environ(self.sid, self.namespace)
        assert environ is not None
        return [environ["REMOTE_ADDR"], self.scope["client"][0]]

    @event
    async def load(self, sid: str) -> dict[str, Any]:
        """What a client costs."""
        client = server.core.namespaces.sockets[sid].client
        return {
            "bytes": client.waiting_bytes,
            "paused": client.connection.paused,
            "events": sum(socket.waiting for socket in client.sockets.values()),
            "running": client.running,
            "connecting": client.connecting,
            "sockets": len(client.sockets),
        }

    @event
    async def counted(self, kind: str) -> int:
        return counts[kind]

    @event("kept paths")
    async def kept_paths(self) -> int:
        return len(bodies._limits)

    @event
    async def alive(self) -> list[str]:
        """The sids of the consumers that are in memory, without a look for cycles."""
        return [consumer.sid for consumer in consumers]

    @event
    async def collect(self, cycles: bool) -> None:
        gc.enable() if cycles else gc.disable()

    @event
    def block(self) -> None:
        unblocked.clear()
        unblocked.wait(60)

    @event
    async def unblock(self) -> None:
        unblocked.set()

    @event
    def in_thread(self) -> str:
        return "in a thread"

    # Answers

    @event
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    @event
    async def mirror(self, *args: Any) -> None:
        await self.emit("mirrored", *args)

    @event
    async def nothing(self) -> None:
        return None

    @event
    async def withheld(self, *, ack: Any) -> None: ...

    @event
    async def later(self, *, ack: Any) -> None:
        self.data["ack"] = ack

    @event
    async def now(self) -> None:
        await self.data["ack"]("late")
        await self.data["ack"]("never sent")

    @event
    async def ask(self) -> Any:
        return await self.call("question")

    @event("ask beside", concurrent=True)
    async def ask_beside(self) -> None:
        await self.emit("answered", await self.call("question"))

    # What handlers do wrong, or do to clients

    @event
    async def crash(self) -> None:
        raise RuntimeError("the handler has a bug")

    @event
    async def deny(self, nonsense: bool = False) -> None:
        raise EventError("not for you", code="forbidden", data=object() if nonsense else {"no": 1})

    @event("cancel itself")
    async def cancel_itself(self) -> None:
        raise asyncio.CancelledError

    @event("crash at the end")
    async def crash_at_the_end(self) -> None:
        self.data["crash at the end"] = True

    @event
    async def slow(self) -> None:
        await asyncio.sleep(5)

    @event
    async def attach(self, count: int) -> str:
        try:
            await self.emit("attached", *[b"x"] * count)
        except ValueError as error:
            return str(error)
        return "sent"

    @event("attach nothing")
    async def attach_nothing(self) -> None:
        await self.emit("attached", b"", b"x")

    @event("not a number")
    async def not_a_number(self) -> float:
        return float("nan")

    @event
    async def burst(self, count: int) -> None:
        for number in range(count):
            await self.emit("number", number)

    @event
    async def go(self) -> None:
        await self.close()

    @event("go for good")
    async def go_for_good(self) -> None:
        await self.close(connection=True)

    @event("send away")
    async def send_away(self, sid: str) -> None:
        await server.disconnect(sid)

    @event
    async def reserved(self) -> str:
        try:
            await self.emit("disconnect")
        except ValueError as error:
            return str(error)
        return "sent"


@namespace("/any")
class Anything(SocketIOConsumer):
    @event
    async def declared(self, *args: Any) -> list[Any]:
        return ["declared", *args]

    @event("*")
    async def anything(self, name: Any, *args: Any) -> list[Any]:
        return ["caught", name, *args]


# Registered as in an application that came from python-socketio.


@server.on("connect", namespace="/functions")
async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    if auth and "welcome" in auth:
        words = {"said": "before"}
        await server.emit("welcome", words, to=sid, namespace="/functions")
        words["said"] = "after"


@server.on("ask", namespace="/functions")
async def ask(sid: str, how: str) -> Any:
    if how == "call":
        return await server.call("question", to=sid, namespace="/functions", timeout=10)

    def answered(only: Any) -> None:
        history["answers"].append([only])

    await server.emit("question", to=sid, namespace="/functions", callback=answered)
    return None


@server.on("answers", namespace="/functions")
async def answers(sid: str) -> Any:
    return history["answers"]


@server.on("*", namespace="/functions")
async def caught(sid_or_name: Any, *args: Any) -> list[Any]:
    return ["caught", sid_or_name, *args]


class Registered(socketio.AsyncNamespace):
    """What fails in `Talk`, in handlers of python-socketio's kind."""

    async def on_echo(self, sid: str, *args: Any) -> tuple[Any, ...]:
        return args

    async def on_past(self, sid: str, which: str) -> list[list[Any]]:
        return history[which]

    async def on_crash(self, sid: str) -> None:
        raise RuntimeError("the handler has a bug")

    async def on_deny(self, sid: str, nonsense: bool = False) -> None:
        raise EventError("not for you", code="forbidden", data=object() if nonsense else {"no": 1})


async def cancel_itself(sid: str) -> None:
    raise asyncio.CancelledError


server.register_namespace(Registered("/registered"))
server.on("cancel itself", cancel_itself, namespace="/registered")
server.on("not a number", lambda sid: float("nan"), namespace="/registered")
