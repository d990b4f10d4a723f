"""A site whose clients come back.

RECOVERING_REALTIME holds its `REALTIME` as JSON, RECOVERING_REDIS the address of a Redis, and
RECOVERING_LAYER says which of its layers is used.
"""

import json
import os
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from tests.site.layers import channel_layers

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    CHANNEL_LAYERS=channel_layers(
        os.environ.get("RECOVERING_REDIS", ""), os.environ.get("RECOVERING_LAYER", "")
    ),
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
    REALTIME=json.loads(os.environ.get("RECOVERING_REALTIME", "{}")),
    ROOT_URLCONF=__name__,
    SECRET_KEY="conformance",
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.models import User  # noqa: E402

from realtime.asgi import get_asgi_application, get_server  # noqa: E402
from realtime.auth import AuthStack  # noqa: E402
from realtime.routing import NamespaceRouter  # noqa: E402


class Named:
    """Who a client is, its query says: `?user=7`. There is no database."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        found = parse_qs(scope["query_string"].decode()).get("user")
        if found:
            user = User(pk=int(found[0]), username=f"user {found[0]}")
            scope = {**scope, "session": {}, "user": user}
        await self.inner(scope, receive, send)


application = get_asgi_application(socketio=Named(AuthStack(NamespaceRouter())))
server = get_server()
urlpatterns: list[Any] = []

from realtime import (  # noqa: E402
    ConnectionRefused,
    SocketIOConsumer,
    adisconnect_sockets,
    ajoin_sockets,
    aleave_sockets,
    apresence,
    event,
    namespace,
    room,
)
from realtime.metrics import snapshot  # noqa: E402

#: Rooms that nobody may be in any more.
closed: set[str] = set()
#: What ran for each client, by the name that it gives in its auth.
history: dict[str, list[Any]] = {}


@namespace("/")
@namespace("/other")
class Lasting(SocketIOConsumer):
    async def connect(self, auth: Any) -> None:
        self.name = (auth or {}).get("name", "?")
        past = history.setdefault(self.name, [])
        past.append(["connect", auth, self.recovered, sorted(self.rooms), dict(self.data)])
        if "refuse" in (auth or {}):
            raise ConnectionRefused("not today")
        await self.join("lobby")
        if "log in" in (auth or {}):
            await self.log_in(User(pk=auth["log in"], username="found out by connect"))
        if "told" in (auth or {}):
            await self.join(auth["told"], history=5)

    async def disconnect(self, reason: str) -> None:
        history[self.name].append(["disconnect", reason])

    @room("ruled.<slug:name>")
    async def ruled(self, name: str) -> bool:
        return name not in closed

    @event("close room")
    async def close_room(self, name: str) -> None:
        closed.add(name)

    @event
    async def past(self, name: str) -> list[Any]:
        return history[name]

    @event
    async def enter(self, room: str) -> None:
        await self.join(room)

    @event
    async def attend(self, room: str) -> None:
        await self.join(room, presence=True)

    @event
    async def present(self, room: str) -> Any:
        return [[there.user.pk, there.sockets] for there in await apresence(room)]

    @event
    async def exit(self, room: str) -> None:
        await self.leave(room)

    @event
    async def keep(self, key: str, value: Any) -> None:
        self.data[key] = value

    @event("keep nonsense")
    async def keep_nonsense(self, key: str) -> None:
        self.data[key] = object()

    @event("keep numbered")
    async def keep_numbered(self, key: str) -> None:
        self.data[key] = {1: "a key that is no text"}

    @event
    async def steer(self, what: str, *args: Any) -> None:
        operations = {"join": ajoin_sockets, "leave": aleave_sockets, "close": adisconnect_sockets}
        await operations[what](*args, namespace=self.namespace)

    @event
    async def state(self) -> Any:
        return [self.sid, sorted(self.rooms), self.data]

    @event
    async def say(self, room: Any, name: str, *args: Any) -> None:
        await self.emit(name, *args, to=room)

    @event
    async def others(self, room: str, name: str, *args: Any) -> None:
        await self.emit(name, *args, to=room, skip_self=True)

    @event("say volatile")
    async def say_volatile(self, room: str, name: str, *args: Any) -> None:
        await self.emit(name, *args, to=room, volatile=True)

    @event
    async def mirror(self, name: str, *args: Any) -> None:
        await self.emit(name, *args)

    @event
    async def ask(self) -> Any:
        return await self.call("question")

    @event("say functions")
    async def say_functions(self, name: str) -> None:
        await server.emit(name, namespace="/functions")

    @event
    async def functions(self) -> int:
        return len(server.node.members.members("/functions", None))

    @event
    async def readings(self) -> dict[str, float]:
        return {name: value for name, value in snapshot().items() if "recover" in name}

    @event
    async def sockets(self) -> int:
        return len(server.node.members.sockets)


@server.on("echo", namespace="/functions")
async def echo(sid: str, value: Any) -> Any:
    return value


@namespace("/fleeting")
class Fleeting(Lasting):
    recovery = False


@namespace("/brief")
class Brief(Lasting):
    recovery = {"WINDOW": 1}


@namespace("/short")
class Short(Lasting):
    recovery = {"MAX_EVENTS": 3, "RESYNC_EVENT": "resync"}


@namespace("/narrow")
class Narrow(Lasting):
    recovery = {"MAX_BYTES": 10_000, "RESYNC_EVENT": "resync"}
