"""The entry of requests for sessions of other processes: what the client is answered there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from ..cluster.bus import Message
from ..conf import settings
from ..engine.server import EngineServer
from ..engine.transports import http, sizes
from ..engine.transports.http import Receive, Refused, Send
from ..engine.transports.valve import Valve, valve_for
from ..engine.transports.websocket import accept
from ..metrics import counters as metrics
from ..protocol.frames import fits
from .conversations import Conversation, End, size_of
from .links import Link

logger = logging.getLogger("realtime.cluster")

#: Seconds between two log lines that say the same.
QUIET = 60.0
#: Seconds between two looks at what the web server holds for a client.
LOOK_EVERY = 1.0
#: Bytes of a body that go with the request itself; a larger one follows when it is wanted.
SMALL = 8_192
#: What of an ASGI scope the home is told.
_SCOPE = ("type", "method", "path", "scheme", "http_version", http.POLL_WITHIN)


def too_large(sid: str) -> Message:
    """For the home: a client sent more than MAX_PAYLOAD."""
    return {"verb": "too_large", "sid": sid}


class RelayEntry:
    """Lets other processes answer what came to this one."""

    def __init__(self, engine: EngineServer) -> None:
        self._engine = engine
        self._number = 0
        self._said: dict[str, float] = {}
        #: Conversations of open websockets.
        self.tunnels: set[Conversation] = set()

    def failure(self, end: End) -> Refused:
        """What to answer when a request could not be relayed, or its answer did not come."""
        metrics.count("relay.failed")
        self.say(f"a request could not be relayed: {end.value}")
        # Never 503: a proxy that tries another process then would take this one for draining.
        status = 504 if end is End.SILENT else 502
        return Refused(http.BAD_REQUEST, f"Not relayed: {end.value}", status=status)

    def say(self, text: str) -> None:
        """Log it, but not each time."""
        now = self._engine.wheel.time()
        if now - self._said.get(text, -QUIET) >= QUIET:
            self._said[text] = now
            logger.warning("%s", text)

    # Requests

    async def http(
        self, link: Link, sid: str, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        limits = self._engine.sessions.limits
        # A poll is answered with the next ping at the latest, and a body ends with its session.
        patience = limits.ping_interval + limits.ping_timeout
        first = await self._first(scope, receive)
        conversation = self._open(link, sid, scope, first, patience)
        watcher = asyncio.create_task(_pass_on(conversation, first["more_body"], receive))
        try:
            answer = await self._answer(conversation)
        finally:
            watcher.cancel()
            conversation.finish(End.LEFT)
        try:
            for message in answer:
                await send(message)
        except OSError:
            metrics.count("responses.unsent")

    async def _first(self, scope: dict[str, Any], receive: Receive) -> Message:
        """The beginning of a request: all of it, if its body is there and small.

        A larger one follows once the home has said that there is such a session.
        """
        if scope["method"] != "POST":
            return {"type": "http.request", "body": b"", "more_body": False}
        announced = http.header(scope, b"content-length")
        if announced is None or not announced.isdigit() or not 0 < int(announced[:20]) <= SMALL:
            return {"type": "http.request", "body": b"", "more_body": True}
        try:
            async with asyncio.timeout(self._engine.sessions.limits.ping_timeout):
                body = await http.read_body(scope, receive, SMALL)
        except TimeoutError:
            raise Refused(http.BAD_REQUEST) from None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _answer(self, conversation: Conversation) -> list[Message]:
        """The whole answer: once its beginning is sent, no error could be answered instead."""
        answer: list[Message] = []
        while (message := await conversation.next()) is not None:
            answer.append(message)
            if answer[0]["type"] != "http.response.start":
                raise self.failure(End.LOST)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                return answer
        if conversation.end is End.LEFT:
            raise http.Gone
        if conversation.end is End.GONE:
            raise Refused(http.SESSION_UNKNOWN)
        raise self.failure(conversation.end or End.LOST)

    async def websocket(
        self, link: Link, sid: str, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        conversation = self._open(link, sid, scope, {"type": "websocket.connect"}, None)
        try:
            answer = await conversation.next()
            if answer is None or answer["type"] != "websocket.accept":
                if answer is None and conversation.end not in (End.GONE, End.DONE):
                    self.failure(conversation.end or End.LOST)
                await send({"type": "websocket.close"})
                return
            await accept(self._engine.sessions, answer, send)
            await self._tunnel(conversation, receive, send)
        except OSError:
            metrics.count("responses.unsent")
        finally:
            conversation.finish(End.LEFT)

    async def _tunnel(self, conversation: Conversation, receive: Receive, send: Send) -> None:
        """Both directions of an accepted websocket, until one side ends it."""
        valve = valve_for(send)
        self.tunnels.add(conversation)
        mind = asyncio.create_task(self._mind(valve))
        pump = asyncio.create_task(self._pump(conversation, receive, send, valve))
        try:
            while (message := await conversation.next()) is not None:
                if message["type"] == "websocket.close":
                    break
                valve.sent += 1
                await send(message)
                await valve.writable()
            if conversation.end is not End.LEFT:
                await send({"type": "websocket.close"})
        finally:
            self.tunnels.discard(conversation)
            valve.close()
            pump.cancel()
            mind.cancel()

    async def _mind(self, valve: Valve) -> None:
        """End a websocket whose client pings and reads no answer."""
        limit = self._engine.sessions.limits.outbox_bytes
        sent, unread = valve.sent, valve.unread
        while not (valve.unread > max(limit, unread) and valve.sent == sent):
            sent, unread = valve.sent, valve.unread
            await asyncio.sleep(LOOK_EVERY)
        metrics.report("closed.outbox")
        self.say("closed a relayed websocket: its client pings, and reads no answer (OUTBOX_BYTES)")
        valve.abort()

    async def _pump(
        self, conversation: Conversation, receive: Receive, send: Send, valve: Valve
    ) -> None:
        limit = self._engine.sessions.limits.max_payload
        while True:
            message = await receive()
            if conversation.end is not None:
                return
            if message["type"] != "websocket.receive":
                if sizes.is_exceeded(send, limit):
                    conversation.link.put(too_large(conversation.sid))
                conversation.finish(End.LEFT)
                return
            text = message.get("text")
            if not fits(message["bytes"] if text is None else text, limit):
                conversation.link.put(too_large(conversation.sid))
                return
            conversation.put(message)
            if conversation.is_full:
                valve.pause_reading()
                await conversation.room()
                valve.resume_reading()

    def _open(
        self, link: Link, sid: str, scope: Mapping[str, Any], first: Message, patience: float | None
    ) -> Conversation:
        metrics.count("relay.requests")
        self._number += 1
        conversation = Conversation(link, (True, self._number), sid)
        wheel, silence = self._engine.wheel, settings.REQUEST_TIMEOUT
        conversation.timer = wheel.after(silence, self._look, conversation, patience)
        size = size_of(first) + sum(len(name) + len(value) for name, value in scope["headers"])
        link.put(conversation.parcel("open", sid=sid, scope=_plain(scope), messages=[first]), size)
        return conversation

    def _look(self, conversation: Conversation, patience: float | None) -> None:
        if not conversation.signed:
            conversation.finish(End.SILENT)
        elif patience is not None:
            # The home gave a sign that it got the request, but an answer is overdue now.
            conversation.timer = self._engine.wheel.after(patience, conversation.finish, End.SILENT)


async def _pass_on(conversation: Conversation, has_body: bool, receive: Receive) -> None:
    """Pass on the body if it is wanted, and then that the client left."""
    try:
        if has_body:
            await conversation.accepted()
        while has_body and conversation.end is None:
            event = await receive()
            if event["type"] != "http.request":
                break
            has_body = event.get("more_body", False)
            body = event.get("body", b"")
            conversation.put({"type": "http.request", "body": body, "more_body": has_body})
            await conversation.room()
        else:
            await http.watch(receive)
    except OSError:  # it is over meanwhile, and answered
        return
    conversation.finish(End.LEFT)


def _plain(scope: Mapping[str, Any]) -> Message:
    """What the home is told of a request, in values that any layer carries."""
    return {
        **{name: scope[name] for name in _SCOPE if name in scope},
        "query_string": scope["query_string"],
        "root_path": scope.get("root_path", ""),
        "headers": [list(pair) for pair in scope["headers"]],
        "client": list(scope["client"]) if scope.get("client") else None,
        "server": list(scope["server"]) if scope.get("server") else None,
        "subprotocols": list(scope.get("subprotocols", ())),
    }
