"""Groups of Channels in a consumer without a server, and what they cost who uses none."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer
from django.test import RequestFactory, TestCase

from realtime import ConnectionRefused, SocketIOConsumer, emit, event, namespace, routing
from realtime.consumers.channel import GroupLayer
from realtime.testing import SocketIOClient, SocketIOCommunicator


class Listener(SocketIOConsumer):
    groups = ["news"]

    async def connect(self, auth: Any) -> None:
        if auth == {"refuse": True}:
            raise ConnectionRefused
        await self.channel_layer.group_add("weather", self.channel_name)

    async def told(self, message: dict[str, Any]) -> None:
        await self.emit("told", message["text"])


class Plain(SocketIOConsumer):
    @event
    async def ask(self) -> list[str]:
        return [name for name in vars(self) if name in ("_layer", "channel_layer", "channel_name")]


async def tell(group: str, text: str) -> None:
    layer: Any = get_channel_layer()
    await layer.group_send(group, {"type": "told", "text": text})


async def test_communicator_hears_groups_and_leaves_them() -> None:
    communicator = SocketIOCommunicator(Listener)
    await communicator.connect()
    await tell("news", "first")
    assert await communicator.receive_event() == ("told", "first")
    await tell("weather", "second")
    assert await communicator.receive_event() == ("told", "second")
    layer: Any = get_channel_layer()
    assert {"news", "weather"} <= layer.groups.keys()
    await communicator.disconnect()
    assert not {"news", "weather"} & layer.groups.keys()


class SyncClientCase(TestCase):
    def test_client_hears_groups_and_a_request_leaves_its_page_out(self) -> None:
        routes = list(routing._routes)
        self.addCleanup(lambda: routing._routes.__setitem__(slice(None), routes))
        namespace("/listener")(Listener)
        with SocketIOClient("/listener") as client, SocketIOClient("/listener") as other:
            client.connect()
            other.connect()
            async_to_sync(tell)("news", "first")
            assert client.received("told") == other.received("told") == ["first"]
            made = RequestFactory().post("/", headers={"X-Realtime-Sids": str(client.sid)})
            emit("told", "second", namespace="/listener", skip=made)
            assert client.received("told") == ["first"]
            assert other.received("told") == ["first", "second"]


async def test_refused_client_is_in_no_group() -> None:
    communicator = SocketIOCommunicator(Listener, auth={"refuse": True})
    with pytest.raises(ConnectionRefused):
        await communicator.connect()
    layer: Any = get_channel_layer()
    assert "news" not in layer.groups


async def test_consumer_that_uses_no_groups_has_nothing_of_them() -> None:
    communicator = SocketIOCommunicator(Plain)
    await communicator.connect()
    assert await communicator.call("ask") == []
    await communicator.disconnect()


async def test_missing_layer_is_named(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    assert Plain().channel_layer is None
    with pytest.raises(InvalidChannelLayerError, match="no entry 'default'"):
        _ = Plain().channel_name


class Slow:
    """A layer that has to wait before it can name a channel."""

    async def new_channel(self) -> str:
        import asyncio

        await asyncio.sleep(0)
        return "late"


async def test_layer_that_waits_for_names_is_refused_with_what_to_do() -> None:
    async def put(message: dict[str, Any]) -> None: ...

    with pytest.raises(InvalidChannelLayerError, match="Slow has to wait for the name"):
        GroupLayer(Slow()).open(put)
