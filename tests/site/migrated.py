"""An application that came from python-socketio: its handlers, registered as they were there."""

from typing import Any

import socketio
from django.contrib.auth.models import User

from realtime.asgi import SocketIOServer


def register(server: SocketIOServer) -> None:
    register_functions(server)
    server.register_namespace(Classic("/classic"))


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
