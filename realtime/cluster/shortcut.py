"""The way from a thread straight to Redis, for processes without a server.

For the layers of channels_redis as they are: what is written are their own commands, on connections
of ours. A subclass, Sentinel, and whatever redis-py's connections with asyncio and without could
take differently go over the event loop, as everything does on other layers. Private names; guarded
by tests/test_guards.py.
"""

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from redis.exceptions import RedisError

from ..aio.complete import complete
from .layers import redis_hosts
from .lines import Command, Detour, Lines

Call = tuple[str, dict[str, Any]]

#: What a serializer raises for a message that it can't pack.
UNPACKABLE = (TypeError, ValueError, OverflowError, RecursionError, AssertionError)


class Shortcut(ABC):
    """The Redis of a layer, as a thread asks it. Raises TimeoutError, as lines do."""

    def __init__(self, hosts: Iterable[Mapping[str, Any]]) -> None:
        self._lines = [Lines(host) for host in hosts]

    def hand_over(self, calls: Sequence[Call]) -> bool:
        """Send each group of the layer its message; whether that is done.

        If not, it is for the event loop, although Redis may have taken it: who hears a message
        twice notices that.
        """
        try:
            self._send(calls)
        except Detour:
            return False
        return True

    @abstractmethod
    def _send(self, calls: Sequence[Call]) -> None: ...

    def ask(self, *commands: Command) -> list[Any]:
        """Ask the first of several hosts, where the logs are. Raises Detour, as lines do."""
        return self._lines[0].ask(*commands)

    def close(self) -> None:
        """Close the connections."""
        for lines in self._lines:
            lines.close()


class _PubSub(Shortcut):
    """One command for each group, and one round trip for all that are on a host."""

    def __init__(self, own: Any) -> None:
        self._own = own
        self._names = RedisPubSubLoopLayer(*own._args, **own._kwargs, channel_layer=own)
        shards = self._names._shards
        super().__init__(shard.host for shard in shards)
        self._lines_of = dict(zip(shards, self._lines, strict=True))

    def _send(self, calls: Sequence[Call]) -> None:
        commands: dict[Lines, list[Command]] = {}
        for group, message in calls:
            name = self._names._get_group_channel_name(group)
            lines = self._lines_of[self._names._get_shard(name)]
            commands.setdefault(lines, []).append(("PUBLISH", name, self._packed(message)))
        for lines, told in commands.items():
            lines.ask(*told)

    def _packed(self, message: dict[str, Any]) -> bytes:
        try:
            packed: bytes = self._own.serialize(message)
        except UNPACKABLE:
            raise Detour from None
        return packed


class _Core(Shortcut):
    """The layer's own commands for each group, in two round trips instead of its four."""

    def __init__(self, own: Any) -> None:
        super().__init__(own.hosts)
        # With several, what waits for the next command could wait at another host's.
        clients = [_Client(lines, waits=len(self._lines) == 1) for lines in self._lines]
        self._layer = copy.copy(own)
        self._layer.connection = clients.__getitem__

    def _send(self, calls: Sequence[Call]) -> None:
        for group, message in calls:
            try:
                complete(self._layer.group_send(group, message))
            except UNPACKABLE:
                raise Detour from None


class _Client:
    """What the core layer's `group_send` asks of a client of Redis.

    It sweeps before it reads and before it writes, and looks at no answer to that: such a command
    `waits`, and goes out with the next one of the thread.
    """

    def __init__(self, lines: Lines, *, waits: bool) -> None:
        self._lines = lines
        self._waits = waits
        self._of_thread = threading.local()

    async def zremrangebyscore(self, key: Any, min: Any, max: Any) -> None:
        self.sweep([("ZREMRANGEBYSCORE", key, min, max)])

    async def zrange(self, key: Any, start: int, end: int) -> Any:
        return self._ask("ZRANGE", key, start, end)

    async def eval(self, script: str, count: int, *arguments: Any) -> Any:
        return self._ask("EVAL", script, count, *arguments)

    def pipeline(self) -> "_Pipeline":
        return _Pipeline(self)

    def sweep(self, commands: list[Command]) -> None:
        if self._waits:
            self._of_thread.commands = commands
        else:
            self._lines.ask(*commands)

    def _ask(self, *command: Any) -> Any:
        waiting: list[Command] = vars(self._of_thread).pop("commands", [])
        return self._lines.ask(*waiting, command)[-1]


class _Pipeline:
    def __init__(self, client: _Client) -> None:
        self._client = client
        self._commands: list[Command] = []

    def zremrangebyscore(self, key: Any, min: Any, max: Any) -> None:
        self._commands.append(("ZREMRANGEBYSCORE", key, min, max))

    async def execute(self) -> None:
        self._client.sweep(self._commands)


_KINDS: dict[type, type[_PubSub] | type[_Core]] = {
    RedisPubSubChannelLayer: _PubSub,
    RedisChannelLayer: _Core,
}


def shortcut_to(own: Any) -> Shortcut | None:
    """The shortcut to the Redis of a layer; None where there is none."""
    kind = _KINDS.get(type(own))
    if kind is None or not all(map(_is_plain, redis_hosts())):
        return None
    try:
        return kind(own)
    except (TypeError, ValueError, RedisError):  # what the settings say won't do: the loop says why
        return None


def _is_plain(host: Mapping[str, Any]) -> bool:
    """Whether redis-py's connections with and without asyncio take it for the same."""
    return all(isinstance(value, str | bytes | int | float | None) for value in host.values())
