"""An application that came from python-socketio: its handlers, registered as they were there."""

from collections import defaultdict
from typing import Any

import socketio
from django.contrib.auth.models import User

from realtime import signals
from realtime.asgi import SocketIOServer

#: By sid: the signals about these namespaces' sockets, with their senders.
heard: dict[str, list[list[Any]]] = defaultdict(list)


def register(server: SocketIOServer) -> None:
    register_functions(server)
    register_what_was_heard(server)
    server.register_namespace(Classic("/classic"))
    for sender in (SocketIOServer, Classic):
        signals.socket_connected.connect(hear_connected, sender=sender)
        signals.event_handled.connect(hear_handled, sender=sender)
        signals.event_failed.connect(hear_failed, sender=sender)
        signals.socket_disconnected.connect(hear_disconnected, sender=sender)


def hear_connected(sender: type, sid: str, scope: Any, user: Any, **kwargs: Any) -> None:
    heard[sid].append(["connected", sender.__name__, scope["path"], user])


async def hear_handled(sender: type, sid: str, event: str, args: Any, **kwargs: Any) -> None:
    if event != "heard":
        result = kwargs["result"] if kwargs["seconds"] > 0 else None
        heard[sid].append(["handled", sender.__name__, event, args, result])


def hear_failed(sender: type, sid: str, event: str, args: Any, **kwargs: Any) -> None:
    exception = type(kwargs["exception"]).__name__
    heard[sid].append(["failed", sender.__name__, event, args, exception])


def hear_disconnected(sender: type, sid: str, reason: str, scope: Any, **kwargs: Any) -> None:
    heard[sid].append(["disconnected", sender.__name__, scope["path"], reason])


def register_functions(server: SocketIOServer) -> None:
    @server.event(namespace="/functions")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        if auth and "refuse" in auth:
            raise socketio.exceptions.ConnectionRefusedError("not today", auth["refuse"])
        await server.save_session(sid, {"agent": environ["HTTP_USER_AGENT"]}, "/functions")
        await server.enter_room(sid, "everyone", namespace="/functions")
        await server.emit("hello", sid, to=sid, namespace="/functions")
        await server.emit("entered", sid, room="everyone", namespace="/functions")

    @server.on("who", namespace="/functions")
    async def who(sid: str) -> dict[str, Any]:
        session = await server.get_session(sid, "/functions")
        return session | {"rooms": sorted(server.rooms(sid, "/functions")), "sid": sid}

    @server.on("users", namespace="/functions")
    def users(sid: str) -> int:
        """A plain function may use the ORM."""
        return User.objects.count()

    @server.on("interview", namespace="/functions")
    async def interview(sid: str, question: str) -> Any:
        return await server.call("question", question, to=sid, namespace="/functions", timeout=30)

    @server.on("pair", namespace="/functions")
    async def pair(sid: str, first: Any, second: Any) -> tuple[Any, Any]:
        return first, second

    @server.on("go", namespace="/functions")
    async def go(sid: str) -> None:
        await server.disconnect(sid, namespace="/functions")

    @server.on("steer", namespace="/functions")
    async def steer(sid: str, verb: str, *args: Any) -> Any:
        """Calls one of the server's methods."""
        return await getattr(server, verb)(*args, namespace="/functions")

    @server.on("ask", namespace="/functions")
    async def ask(sid: str, other: str, *args: Any) -> Any:
        return await server.call("question", args, to=other, namespace="/functions", timeout=30)

    @server.on("disconnect", namespace="/functions")
    async def disconnect(sid: str, reason: str) -> None:
        await server.emit("gone", (sid, reason), room="everyone", namespace="/functions")


def register_what_was_heard(server: SocketIOServer) -> None:
    @server.on("heard", namespace="/functions")
    async def what_was_heard(sid: str, of: str) -> Any:
        return heard[of]

    @server.on("fail", namespace="/functions")
    async def fail(sid: str) -> None:
        raise RuntimeError("a bug")


class Classic(socketio.AsyncNamespace):  # type: ignore[misc]
    async def on_connect(self, sid: str, environ: dict[str, Any]) -> bool:
        return "refused" not in environ["QUERY_STRING"]

    async def on_enter(self, sid: str, room: str) -> None:
        await self.enter_room(sid, room)

    async def on_leave(self, sid: str, room: str) -> None:
        await self.leave_room(sid, room)

    async def on_say(self, sid: str, room: str, text: str) -> str:
        await self.emit("said", {"sid": sid, "text": text}, room=room, skip_sid=sid)
        return "done"

    def on_users(self, sid: str) -> int:
        return User.objects.count()

    async def on_remember(self, sid: str, word: str) -> None:
        async with self.session(sid) as session:
            session["word"] = word

    async def on_recall(self, sid: str) -> Any:
        return (await self.get_session(sid)).get("word")

    async def on_disconnect(self, sid: str) -> None:
        await self.emit("gone", sid)
