"""The home of sessions whose requests reached other processes: it answers those requests too."""

from __future__ import annotations

import logging
from typing import Any

from ..aio.tasks import Tasks
from ..cluster.bus import Message
from ..conf import settings
from ..engine.server import EngineServer
from ..engine.transports import polling
from ..metrics import counters as metrics
from .conversations import Conversation, End
from .links import Link

logger = logging.getLogger("realtime.cluster")

#: The part of REQUEST_TIMEOUT after which the entry is told that its request is in hand. Most
#: answers come sooner, and save that message.
SIGN = 0.25


class RelayHome:
    """Runs the engine for requests of other processes."""

    def __init__(self, engine: EngineServer, bound: int) -> None:
        self._engine = engine
        self._bound = bound
        self._tasks = Tasks()

    def asked(self, link: Link, parcel: Message) -> None:
        """A parcel that belongs to no conversation yet, or to none."""
        if parcel["verb"] == "open":
            self._open(link, parcel)
            return
        connection = self._engine.sockets.get(parcel["sid"])
        if connection is None:
            return
        if parcel["verb"] == "too_large":
            polling.refuse_body(connection)
        elif parcel["verb"] == "hurry":
            polling.hurry(connection)

    def _open(self, link: Link, parcel: Message) -> None:
        conversation = Conversation(link, (False, parcel["number"]), parcel["sid"])
        if len(self._tasks) >= self._bound:
            conversation.finish(End.REFUSED)
            return
        metrics.count("relay.served")
        conversation.take(parcel["messages"])
        conversation.signed = False
        if parcel["messages"][-1].get("more_body", False):
            self._ask_for_body(conversation)
        seconds = SIGN * settings.REQUEST_TIMEOUT
        conversation.timer = self._engine.wheel.after(seconds, _sign, conversation)
        self._tasks.start(self._run(conversation, parcel["scope"]))

    def _ask_for_body(self, conversation: Conversation) -> None:
        """A large body is passed on only for a session that there is."""
        if conversation.sid in self._engine.sockets:
            conversation.link.put(conversation.parcel("held"))
            conversation.signed = True

    async def _run(self, conversation: Conversation, plain: Message) -> None:
        scope = _scope(plain)
        leaves = {"type": f"{scope['type']}.disconnect", "code": 1006}

        async def receive() -> dict[str, Any]:
            return await conversation.next() or leaves

        async def send(message: dict[str, Any]) -> None:
            conversation.put(message)
            await conversation.room()

        try:
            await self._engine(scope, receive, send)
        except Exception as error:
            # An entry that gave up takes nothing more. That is as if the client had left, of which
            # an ASGI server says nothing either.
            if not (isinstance(error, OSError) and conversation.end):
                logger.exception("a request relayed by another process could not be answered")
        finally:
            conversation.finish(End.DONE)


def _sign(conversation: Conversation) -> None:
    if not conversation.signed:
        conversation.link.put(conversation.parcel("held"))


def _scope(plain: Message) -> dict[str, Any]:
    return {
        **plain,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "headers": [(bytes(name), bytes(value)) for name, value in plain["headers"]],
        "client": tuple(plain["client"]) if plain["client"] else None,
        "server": tuple(plain["server"]) if plain["server"] else None,
    }
