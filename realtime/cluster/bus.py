"""One process's place on the channel layer: it sends to the others, and hears what they send.

Every message is a dict of plain values (msgpack's): `type` (always "realtime.message"), `version`
of this protocol, `site` (the digest of the sender's), `kind`, `node` (the sender's id), `number`
(the sender's own count), and the body.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..aio.tasks import end
from ..conf import settings
from ..exceptions import ChannelLayerError
from ..logs import brief
from ..metrics.counters import count
from . import groups
from .groups import is_node_id
from .layers import call_with_retries, cause, close, layer, layer_error, new_channel, tidied
from .remembered import Remembered
from .site import Site, current_site

logger = logging.getLogger("realtime.cluster")

Message = dict[str, Any]

#: Of the messages between processes. It changes when an older process could misread a newer one.
PROTOCOL = 1
TYPE = "realtime.message"
#: Keys of every message; see the module's docstring.
ENVELOPE = frozenset({"type", "version", "site", "kind", "node", "number"})
#: Messages that may wait for a layer that hangs; further ones are refused at once.
MAX_WAITING = 10_000
#: Calls of the layer at a time: channels_redis takes a connection for each, and redis-py's pool has
#: a hundred.
AT_A_TIME = 50
#: Seconds between two tries to reach a layer that is down.
RETRY = 1.0

_numbers = itertools.count()


class Bus:
    """The layer, seen from one process and its event loop."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.layer: Any = None
        self.site: Site = current_site()
        #: Who handles a kind of message: a plain function, called on the loop with the message.
        self.on: dict[str, Callable[[Message], None]] = {}
        #: Who handles messages of another version of the protocol.
        self.on_foreign: Callable[[Message], None] = lambda message: None
        #: Called when the layer may have forgotten us, or dropped what was meant for us.
        self.on_trouble: list[Callable[[], None]] = []
        #: Kinds that a process hears from itself too.
        self.echoed: set[str] = set()
        self.in_trouble = False
        #: When anything came last, as time.monotonic() counts.
        self.heard_at = 0.0
        self._suffix = self.site.digest
        self._channel: str | None = None
        self._opening = asyncio.Lock()
        self._listener: asyncio.Task[None] | None = None
        self._seen = Remembered()
        self._waiting = 0
        self._gate = asyncio.Semaphore(AT_A_TIME)

    def open(self) -> None:
        """Take up the layer, and the site, that the settings name now."""
        self.layer = layer()
        self.site = current_site()
        self._suffix = self.site.digest

    async def channel(self) -> str:
        """The name of our own channel, for others to answer to."""
        async with self._opening:
            if self._channel is None:
                self._channel = await new_channel(self.layer)
            return self._channel

    def group(self, name: groups.Group) -> str:
        """What the layer calls a group of this site."""
        return f"{groups.layer_group(name)}.{self._suffix}"

    # Telling

    async def tell(self, group: str, kind: str, body: Message) -> None:
        """Send to every process in a group of the layer. Raises ChannelLayerError."""
        await self.hand_over([(group, self.message(kind, body))])

    async def send(self, channel: str, kind: str, body: Message) -> None:
        """Send to one process's channel. Raises ChannelLayerError."""
        await self._bounded(self.layer.send, [(channel, self.message(kind, body))])

    def message(self, kind: str, body: Message) -> Message:
        """A message of ours. Raises ValueError for a body that would hide the envelope."""
        if not ENVELOPE.isdisjoint(body):
            raise ValueError(f"a body can't have the keys {', '.join(sorted(ENVELOPE))}")
        return {
            "type": TYPE,
            "version": PROTOCOL,
            "site": self._suffix,
            "kind": kind,
            "node": self.node_id,
            "number": next(_numbers),
            **body,
        }

    async def hand_over(self, messages: Iterable[tuple[str, Message]]) -> None:
        """Send each group its message, in this order. Raises ChannelLayerError."""
        await self._bounded(self.layer.group_send, self.calls(messages))

    def calls(self, messages: Iterable[tuple[str, Message]]) -> Iterator[tuple[str, Message]]:
        """The same messages, with the layer's names of their groups."""
        return ((self.group(group), message) for group, message in messages)

    async def _bounded(
        self, method: Callable[..., Any], calls: Iterable[tuple[str, Message]]
    ) -> None:
        if self._waiting >= MAX_WAITING:
            count("layer.refused")
            raise ChannelLayerError(
                f"{MAX_WAITING} messages already wait for the channel layer"
                f" {settings.CHANNEL_LAYER!r}, which hangs or is too slow; this one was not sent"
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(settings.EMIT_TIMEOUT):
                for name, message in calls:
                    await self.call(method, name, message)
        except Exception as error:  # each layer has errors of its own; none may pass for a success
            count("layer.failed")
            raise layer_error(error) from error
        finally:
            self._waiting -= 1

    async def call(self, method: Callable[..., Any], *args: Any) -> None:
        """Call a method of the layer, in turn with others, and again if it fails at first."""
        async with self._gate:
            await call_with_retries(method, *args)

    # Hearing

    def listen(self) -> None:
        """Begin to hear what comes to our channel."""
        if self._listener is None:
            self._listener = asyncio.ensure_future(self._listen())

    async def stop(self) -> None:
        """Stop listening, and give up the channel."""
        self._channel = None
        await self._end_listening()

    async def close(self) -> None:
        """Stop listening, and close the connections."""
        await self.stop()
        await close(self.layer)

    async def _end_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await end([listener])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY):
                    await tidied(self.layer)

    async def renew(self, *, afresh: bool) -> None:
        """Start listening again, `afresh` on a new channel; else what waits in it is kept."""
        await self._end_listening()
        if afresh:
            self._channel = None
            old, self.layer = self.layer, layer()
            await close(old)
        self._forgotten()
        self.listen()

    async def _listen(self) -> None:
        while True:
            try:
                message = await self.layer.receive(await self.channel())
            except Exception as error:  # each layer has errors of its own, and all mean: try again
                self.trouble(error)
                self._forgotten()  # a Redis that comes back empty knows none of our groups
                await asyncio.sleep(RETRY)
            else:
                self.heard_at = time.monotonic()
                self.well()
                self._received(message)

    def _received(self, message: Any) -> None:
        try:
            if message["type"] != TYPE:
                raise ValueError(f"its type is {message['type']!r}")
            if message["site"] != self._suffix:
                # Its groups have other names, but a layer of the project's own may mix them up.
                count("layer.other_site")
                return
            kind, sender = message["kind"], message["node"]
            if not isinstance(kind, str) or not is_node_id(sender):
                raise ValueError("it does not say which process it is from")
            if sender == self.node_id and kind not in self.echoed:
                return
            if self._seen.note((sender, message["number"])):  # it was tried again
                return
            if message["version"] != PROTOCOL:
                self.on_foreign(message)
            elif kind in self.on:
                self.on[kind](message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            count("layer.malformed")
            said = brief(repr(error))
            logger.warning("ignored a message on our channel that is not realtime's: %s", said)
        except Exception:
            logger.exception("a message from another process could not be handled")

    # Trouble

    def _forgotten(self) -> None:
        for callback in self.on_trouble:
            callback()

    def trouble(self, error: Exception) -> None:
        """The layer failed; said once until it is well again."""
        count("layer.errors")
        if not self.in_trouble:
            self.in_trouble = True
            logger.error(
                "the channel layer %r can't be reached: %s. Until it is back, the clients of this"
                " process get only what this process emits.",
                settings.CHANNEL_LAYER,
                cause(error),
            )

    def well(self) -> None:
        """The layer works."""
        if self.in_trouble:
            self.in_trouble = False
            logger.warning("the channel layer %r is back", settings.CHANNEL_LAYER)
