"""Channels' groups, shared by a consumer, a websocket consumer, and a python-socketio namespace."""

from typing import Any

import socketio
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.contrib.auth.models import User
from django.urls import path

from realtime import SocketIOConsumer, aemit, ajoin_sockets, event, namespace
from realtime.asgi import get_server


@namespace("/groups")
class GroupConsumer(SocketIOConsumer):
    groups = ["greeted"]

    @event
    async def enter(self, group: str) -> None:
        await self.channel_layer.group_add(group, self.channel_name)

    @event("enter in a thread")
    def enter_in_a_thread(self, group: str) -> None:
        async_to_sync(self.channel_layer.group_add)(group, self.channel_name)

    @event("enter by the layer")
    async def enter_by_the_layer(self, group: str) -> str:
        layer: Any = get_channel_layer()
        await layer.group_add(group, self.channel_name)
        return self.channel_name

    @event("quit")
    async def quit_group(self, group: str) -> None:
        await self.channel_layer.group_discard(group, self.channel_name)

    @event
    async def tell(self, group: str, message: dict[str, Any]) -> None:
        await self.channel_layer.group_send(group, message)

    @event
    async def secret(self, message: Any) -> None:
        await self.emit("secret", message)

    async def order_paid(self, message: dict[str, Any]) -> None:
        await self.emit("paid", message["order"])

    def order_counted(self, message: dict[str, Any]) -> None:
        self.emit("counted", message["order"], User.objects.filter(username="ada").count())

    async def order_asked(self, message: dict[str, Any]) -> None:
        await self.emit("asked", await self.call("question", message["order"], timeout=30))

    async def order_failed(self, message: dict[str, Any]) -> None:
        raise LookupError("there is no such order")

    # Calls that somebody forgot to await

    @event
    async def forget(self) -> None:
        self.emit("forgotten")
        aemit("forgotten", to=self.sid)
        ajoin_sockets(self.sid, "nowhere")
        get_server().enter_room(self.sid, "nowhere")


class OrderSocket(AsyncJsonWebsocketConsumer):
    groups = ["greeted"]

    async def connect(self) -> None:
        await self.channel_layer.group_add(
            self.scope["url_route"]["kwargs"]["group"], self.channel_name
        )
        await self.accept()
        await self.send_json("welcome")

    async def order_paid(self, message: dict[str, Any]) -> None:
        await self.send_json(message["order"])


class OrderNamespace(socketio.AsyncNamespace):  # type: ignore[misc]
    """python-socketio's way to the same group's name, which is a room of its own here."""

    async def on_enter(self, sid: str, room: str) -> None:
        await self.enter_room(sid, room)

    async def on_pay(self, sid: str, group: str, order: int) -> None:
        layer: Any = get_channel_layer()
        await layer.group_send(group, {"type": "order.paid", "order": order})


websocket = URLRouter([path("ws/orders/<str:group>/", OrderSocket.as_asgi())])
