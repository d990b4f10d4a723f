"""From one process to one other, over the channel layer: in order, and without a gap."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from ..cluster import groups
from ..cluster.bus import Bus
from ..exceptions import ChannelLayerError
from ..metrics.counters import count
from .conversations import Conversation, End, Key, Parcel

logger = logging.getLogger("realtime.cluster")

#: Bytes that go in one message on the layer, and parcels; one parcel may be larger.
BATCH_BYTES = 1_000_000
BATCH_PARCELS = 1_000
#: Bytes that may wait for the layer.
BACKLOG = 50_000_000
#: What a parcel counts beside its messages.
PARCEL = 100
#: Seconds without a word from the other process after which it is asked for one, and after which
#: the conversations with it are over if none comes. A loss shows when the next message comes.
CHECK = 5.0


class Link:
    """What we tell one other process, and the conversations with it.

    While one message is on its way to the layer, what is to follow is gathered for the next: a
    room of 10,000 polling clients costs a handful of messages, not 10,000.
    """

    def __init__(self, bus: Bus, node: str) -> None:
        self.node = node
        self.conversations: dict[Key, Conversation] = {}
        self._bus = bus
        self._group = groups.node_group(node)
        self._queue: deque[tuple[Parcel, int]] = deque()
        self._waiting = 0
        self._sent = 0
        # The number of the last message that came from the other process; None when one that was
        # lost before is nobody's concern.
        self._heard: int | None = None
        self._is_silent = self._is_asked = False
        self._timer: asyncio.TimerHandle | None = None
        self.sender: asyncio.Task[None] | None = None

    def add(self, conversation: Conversation) -> None:
        if not self.conversations:
            self._heard = None
        self.conversations[conversation.key] = conversation
        if self._timer is None:
            self._is_silent = self._is_asked = False
            self._check_soon()

    def _check_soon(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._is_silent and self._is_asked:
            self.end_all(End.SILENT)
        if not self.conversations:
            return
        self._is_asked = self._is_silent
        if self._is_asked:
            self.put({"verb": "check"})
        self._is_silent = True
        self._check_soon()

    # Out

    def put(self, parcel: Parcel, size: int = 0) -> None:
        """Send a parcel after those that wait.

        Where too much waits, the conversation is over that most of it belongs to, and no other.
        """
        if size and self._waiting + size > BACKLOG and not self._makes_room(parcel, size):
            return
        size += PARCEL
        self._queue.append((parcel, size))
        self._waiting += size
        if self.sender is None:
            self.sender = asyncio.get_running_loop().create_task(self._send())

    def _makes_room(self, parcel: Parcel, size: int) -> bool:
        """Whether there is room for a parcel once what waits of the largest is dropped."""
        count("relay.full")
        newest = _key(parcel)
        totals: Counter[Key | None] = Counter({newest: size})
        for waiting, bytes in self._queue:
            totals[_key(waiting)] += bytes
        totals.pop(None, None)
        largest, _ = totals.most_common(1)[0]
        kept = [item for item in self._queue if _key(item[0]) != largest]
        self._waiting = sum(bytes for _, bytes in kept)
        self._queue = deque(kept)
        conversation = None if largest is None else self.conversations.get(largest)
        if conversation is not None:
            conversation.finish(End.FULL)
        return largest != newest

    async def _send(self) -> None:
        try:
            while self._queue:
                self._sent += 1
                body = {"order": self._sent, "parcels": list(self._batch())}
                try:
                    await self._bus.tell(self._group, "relay", body)
                except ChannelLayerError as error:
                    self._bus.trouble(error)
                    self._drop(End.LAYER)
        finally:
            self.sender = None

    def _batch(self) -> Iterable[Parcel]:
        total = 0
        for _ in range(min(len(self._queue), BATCH_PARCELS)):
            parcel, size = self._queue[0]
            if total and total + size > BATCH_BYTES:
                return
            self._queue.popleft()
            self._waiting -= size
            total += size
            yield parcel

    def _drop(self, end: End) -> None:
        """What waits is lost, so no conversation can go on."""
        self._queue.clear()
        self._waiting = 0
        self.end_all(end)

    # In

    def heard(self, order: int, parcels: list[Parcel], open: Callable[..., Any]) -> None:
        """A message came. `open` is called with each parcel that is not for a conversation."""
        self._is_silent = False
        if self._heard is not None and order != self._heard + 1 and self.conversations:
            count("relay.gaps")
            logger.warning("messages from node %s about relayed requests were lost", self.node)
            self.end_all(End.LOST)
        for parcel in parcels:
            if parcel["verb"] in _VERBS:
                self._continue(parcel)
            elif parcel["verb"] == "check":
                self.put({"verb": "checked"})
            elif parcel["verb"] != "checked":
                open(self, parcel)
        # Last, as the first conversation of several begins without a number to expect.
        self._heard = order

    def _continue(self, parcel: Parcel) -> None:
        # What is theirs there is not ours here.
        conversation = self.conversations.get((not parcel["mine"], parcel["number"]))
        if conversation is not None:
            _VERBS[parcel["verb"]](conversation, parcel)
        elif parcel["verb"] == "pass":
            # It is over here, and they do not know.
            mine = {"mine": not parcel["mine"], "number": parcel["number"]}
            self.put({"verb": "end", "why": End.DONE.name, **mine})

    def end_all(self, end: End) -> None:
        for conversation in list(self.conversations.values()):
            conversation.finish(end)


def _key(parcel: Parcel) -> Key | None:
    """The conversation that a parcel belongs to, if it does."""
    return (parcel["mine"], parcel["number"]) if "number" in parcel else None


def _passed(conversation: Conversation, parcel: Parcel) -> None:
    conversation.take(parcel["messages"])


def _held(conversation: Conversation, parcel: Parcel) -> None:
    conversation.sign()


def _used(conversation: Conversation, parcel: Parcel) -> None:
    conversation.make_room(parcel["size"])


def _ended(conversation: Conversation, parcel: Parcel) -> None:
    refused = parcel["why"] == End.REFUSED.name
    conversation.over(End.REFUSED if refused else End.DONE)


_VERBS = {"pass": _passed, "held": _held, "used": _used, "end": _ended}
