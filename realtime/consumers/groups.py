"""Channels' groups in a consumer: it joins them as a websocket consumer does."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer
from channels.exceptions import InvalidChannelLayerError
from channels.layers import DEFAULT_CHANNEL_LAYER, get_channel_layer

from .channel import GroupLayer


class GroupMember(AsyncConsumer):
    """A consumer with a channel, which is opened when it is first used: most sockets use none."""

    #: The entry of CHANNEL_LAYERS whose groups the consumer joins.
    channel_layer_alias: ClassVar[str] = DEFAULT_CHANNEL_LAYER
    #: Names of groups that each socket joins before `connect`.
    groups: ClassVar[Sequence[str]] = ()

    _layer: GroupLayer | None = None

    @property
    def channel_layer(self) -> Any:
        """The channel layer, as in any Channels consumer, or None if none is configured."""
        if self._layer is None:
            layer = get_channel_layer(self.channel_layer_alias)
            self._layer = None if layer is None else GroupLayer(layer)
        return self._layer

    @property
    def channel_name(self) -> str:
        """The name of this consumer's channel, for `group_add` and `send` of the channel layer."""
        layer = self._group_layer()
        if layer.channel is None:
            try:
                asyncio.get_running_loop()
            except RuntimeError:  # a plain `def`, in a thread
                async_to_sync(self._aopen)(layer)
            else:
                layer.open(self._put)
        assert layer.channel is not None
        return layer.channel.name

    async def _aopen(self, layer: GroupLayer) -> None:
        layer.open(self._put)

    async def _put(self, message: dict[str, Any]) -> None:
        # It joins the client's events in the inbox: one message at a time is handled, in order.
        await self.base_send({"type": "socketio.tell", "message": message})

    def _group_layer(self) -> GroupLayer:
        layer: GroupLayer | None = self.channel_layer
        if layer is None:
            raise InvalidChannelLayerError(
                f"{type(self).__name__} uses groups, but CHANNEL_LAYERS has no entry"
                f" {self.channel_layer_alias!r}"
            )
        return layer

    async def _join_groups(self) -> None:
        if self.groups:
            layer, name = self._group_layer(), self.channel_name
            for group in self.groups:
                await layer.group_add(group, name)

    async def _leave_groups(self) -> None:
        if self._layer is not None and self._layer.channel is not None:
            await self._layer.channel.close()
