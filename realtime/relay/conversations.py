"""One ASGI request that two processes have in common, as one of the two sees it.

The *entry* has the client's connection, the *home* has the Engine.IO session and runs the
application. Each passes ASGI messages on to the other, over the link between the two.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import TYPE_CHECKING, Any

from ..node.inboxes import ASGIMessage

if TYPE_CHECKING:
    from ..engine.wheel import Handle
    from .links import Link

#: What a link carries: a part of a conversation, in plain values.
Parcel = dict[str, Any]
#: Whether this process opened the conversation, and its number among those that the opener has.
Key = tuple[bool, int]

#: Bytes that may be on their way to the other process, which has not used them yet. One message
#: of any size may be on its way alone.
WINDOW = 1_000_000
#: What a message counts beside its data, so that the number of empty ones is bounded too.
OVERHEAD = 200


class End(enum.Enum):
    """Why a conversation is over."""

    DONE = "the other process ended it"
    LEFT = "the client left"
    GONE = "the process that holds this session is gone"
    SILENT = "the process that holds this session did not answer in time"
    LOST = "messages between two processes were lost"
    LAYER = "the channel layer can't be reached"
    FULL = "too many messages wait for the channel layer"
    REFUSED = "the process that holds this session has too many requests from other processes"


class Conversation:
    """Messages in both directions, each of them in order and bounded by `WINDOW`."""

    __slots__ = (
        "_arrived",
        "_inbox",
        "_on_its_way",
        "_room",
        "_used",
        "end",
        "key",
        "link",
        "sid",
        "signed",
        "timer",
    )

    def __init__(self, link: Link, key: Key, sid: str) -> None:
        self.link = link
        self.key = key
        #: The session that the request is for.
        self.sid = sid
        #: Runs when the home may have been silent for too long; cancelled at the end.
        self.timer: Handle | None = None
        #: Whether the home has given a sign.
        self.signed = False
        self.end: End | None = None
        self._inbox: deque[tuple[ASGIMessage, int]] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._on_its_way = 0
        self._room: asyncio.Future[None] | None = None
        # Bytes used here that the other side has not been told of.
        self._used = 0
        link.add(self)

    @property
    def is_entry(self) -> bool:
        """Whether the client is connected to this process."""
        return self.key[0]

    # Out

    @property
    def is_full(self) -> bool:
        return self._on_its_way >= WINDOW and self.end is None

    def put(self, message: ASGIMessage) -> None:
        """Pass a message on. Raises OSError when it is over, as `send` of an ASGI server does."""
        if self.end is not None:
            raise OSError(f"nobody takes what is sent: {self.end.value}")
        size = size_of(message)
        self.signed = self.signed or not self.is_entry
        self._on_its_way += size
        self.link.put(self.parcel("pass", messages=[message]), size)

    async def room(self) -> None:
        """Wait until the next message may be put."""
        while self.is_full:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def parcel(self, verb: str, **more: Any) -> Parcel:
        mine, number = self.key
        return {"verb": verb, "mine": mine, "number": number, **more}

    def make_room(self, size: int) -> None:
        """The other side used so many bytes."""
        self.signed = True
        self._on_its_way -= size
        if not self.is_full:
            _wake(self._room)

    # In

    def take(self, messages: list[ASGIMessage]) -> None:
        """What the other side passed on."""
        self.signed = True
        self._inbox.extend((message, size_of(message)) for message in messages)
        _wake(self._arrived)

    async def accepted(self) -> None:
        """Wait until the other side wants the rest of the request, has answered it, or ended."""
        while not self.signed and self.end is None:
            await self._arrival()

    async def _arrival(self) -> None:
        if self._arrived is None or self._arrived.done():
            self._arrived = asyncio.get_running_loop().create_future()
        # Two may wait: who passes the body on, and who waits for the answer.
        await asyncio.shield(self._arrived)

    def sign(self) -> None:
        """The other side has the request in hand."""
        self.signed = True
        _wake(self._arrived)

    async def next(self) -> ASGIMessage | None:
        """The next message; None when the conversation is over."""
        while not self._inbox:
            if self.end is not None:
                return None
            await self._arrival()
        message, size = self._inbox.popleft()
        self._used += size
        if self._used >= WINDOW // 2 and self.end is None:
            self.link.put(self.parcel("used", size=self._used))
            self._used = 0
        return message

    # The end

    def finish(self, end: End) -> None:
        """End it here, and tell the other side. Idempotent."""
        if self.end is None:
            self.over(end)
            self.link.put(self.parcel("end", why=end.name))

    def over(self, end: End) -> None:
        """It is over: what came is there to be taken, and nothing follows."""
        if self.end is not None:
            return
        self.end = end
        self.link.conversations.pop(self.key, None)
        if self.timer is not None:
            self.timer.cancel()
        _wake(self._arrived)
        _wake(self._room)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def size_of(message: ASGIMessage) -> int:
    """What an ASGI message counts against the bounds, about what it takes on the layer."""
    data = message.get("body") or message.get("bytes") or b""
    text = message.get("text")
    return OVERHEAD + len(data) + (len(text.encode()) if text else 0)
