"""Channels' websocket consumer as its documentation shows it, with JSON messages of its own."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

from tests.bench.peers import ROOM

_left = 0


class LobbyConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add(ROOM, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        global _left
        _left += 1
        await self.channel_layer.group_discard(ROOM, self.channel_name)

    async def receive_json(self, content: dict[str, Any]) -> None:
        if content["event"] == "fan":
            message = {"type": "lobby.tick", "payload": content["payload"]}
            await self.channel_layer.group_send(ROOM, message)
        elif content["event"] == "echo":
            await self.send_json({"id": content["id"], "payload": content["payload"]})
        elif content["event"] == "left":
            await self.send_json({"id": content["id"], "payload": _left})
        elif content["event"] == "who":
            name = self.scope["user"].get_username()
            await self.send_json({"id": content["id"], "payload": name})

    async def lobby_tick(self, message: dict[str, Any]) -> None:
        await self.send_json({"event": "tick", "payload": message["payload"]})


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AuthMiddlewareStack(URLRouter([path("ws/", LobbyConsumer.as_asgi())])),
    }
)
