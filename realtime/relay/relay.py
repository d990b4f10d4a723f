"""Requests for a session of another process: relayed to it, over the channel layer.

A load balancer need not know which process holds an Engine.IO session. The session's id names the
process, and the one that got a request (the *entry*) lets that one (the *home*) answer it. This
goes for polls, for what polling clients post, and for the websocket of an upgrade, which is then
carried frame by frame for as long as it lasts.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from ..cluster.bus import Message
from ..cluster.cluster import Cluster
from ..cluster.layers import reaches_processes
from ..conf import settings
from ..engine.server import EngineServer
from ..engine.transports import http
from ..engine.transports.http import Receive, Refused, Send
from ..metrics import counters as metrics
from .conversations import Conversation, End
from .entry import RelayEntry, too_large
from .home import RelayHome
from .links import Link

#: Requests that may be relayed at a time, from this process and to it each.
MAX_CONVERSATIONS = 20_000
#: How often it is looked whether we have heard our own first beat. Seconds.
TICK = 0.01

_sid = re.compile(rb"(?:^|&)sid=([A-Za-z0-9_-]{10})\.([A-Za-z0-9_-]+)(?:&|$)")

_WITHOUT_LAYER = (
    "Session ID unknown: it names another process, or this one before its restart. If several"
    " processes serve this site, they need one of channels_redis' layers in CHANNEL_LAYERS"
)
_WITHOUT_RELAY = (
    "Session ID unknown: it names another process, or this one before its restart, and"
    " REALTIME['RELAY'] is off. If several processes serve this site, let the load balancer send"
    " each client to the same process (sticky sessions), or serve websockets only"
)


class Relay:
    """The requests of one process that others answer, and those that it answers for others."""

    def __init__(self, engine: EngineServer, cluster: Cluster) -> None:
        self._engine = engine
        self._cluster = cluster
        self._bus = cluster.bus
        self._links: dict[str, Link] = {}
        # Requests that are being relayed from here.
        self._under_way = 0
        self._started = 0.0
        self._stopped = self._announced = False
        self._newcomer = asyncio.Event()
        self._entry = RelayEntry(engine)
        self._home = RelayHome(engine, MAX_CONVERSATIONS)
        self._bus.on["relay"] = self._heard
        self._bus.on_trouble.append(self._lost)
        cluster.nodes.gone.append(self._gone)
        cluster.nodes.came.append(self._came)
        engine.relay = self

    def start(self) -> None:
        """The process begins to serve."""
        self._started = self._engine.wheel.time()

    async def announced(self) -> None:
        """Wait until the other processes have heard of this one, but not for long.

        A client's second request may reach one of them. They have heard of us when we have.
        """
        nodes, wheel = self._cluster.nodes, self._engine.wheel
        while self._may_relay and not (nodes.healthy or self._bus.in_trouble or self._announced):
            await asyncio.sleep(TICK)
            self._announced = wheel.time() >= self._started + settings.REQUEST_TIMEOUT
        self._announced = True

    @property
    def _may_relay(self) -> bool:
        return settings.RELAY and reaches_processes(self._bus.layer)

    def retire(self) -> None:
        """End what is relayed from here soon, so that clients turn to other processes."""
        for conversation in self._conversations():
            if conversation in self._entry.tunnels:
                conversation.finish(End.DONE)
            elif conversation.is_entry:
                conversation.link.put({"verb": "hurry", "sid": conversation.sid})

    async def stop(self) -> None:
        """Send what still waits, and end the rest."""
        self._stopped = True
        for conversation in self._conversations():
            conversation.finish(End.DONE)
        senders = [link.sender for link in self._links.values() if link.sender is not None]
        await asyncio.gather(*senders, return_exceptions=True)

    # The entry

    async def carry(self, scope: dict[str, Any], receive: Receive, send: Send) -> bool:
        """Answer a request for another process's session; False if it is for none.

        Raises what the engine answers by itself: `Refused`, `TooLarge` or `Gone`.
        """
        match = _sid.search(scope["query_string"])
        node = match[1].decode() if match else self._cluster.node_id
        if match is None or node == self._cluster.node_id:
            return False
        if scope["type"] == "http" and scope["method"] not in ("GET", "POST"):
            return False
        await self._check(node)
        self._under_way += 1
        try:
            sid = f"{node}.{match[2].decode()}"
            is_websocket = scope["type"] == "websocket"
            carry = self._entry.websocket if is_websocket else self._entry.http
            await carry(self._link(node), sid, scope, receive, send)
        finally:
            self._under_way -= 1
        return True

    def refuse_body(self, sid: str) -> None:
        """A client sent more than MAX_PAYLOAD for a session that another process may hold."""
        node = sid.partition(".")[0]
        if settings.RELAY and node in self._cluster.nodes.live:
            self._link(node).put(too_large(sid))

    async def _check(self, node: str) -> None:
        if not self._may_relay:
            message = _WITHOUT_LAYER if settings.RELAY else _WITHOUT_RELAY
            metrics.count("relay.elsewhere")
            self._entry.say(f"refused a request. {message}. The client connects anew.")
            raise Refused(http.SESSION_UNKNOWN, message)
        if node not in self._cluster.nodes.live and not await self._arrives(node):
            raise Refused(http.SESSION_UNKNOWN)
        if self._stopped:
            raise Refused(http.BAD_REQUEST, "Server shutting down", status=503)
        if self._bus.in_trouble:
            raise self._entry.failure(End.LAYER)
        if self._under_way >= MAX_CONVERSATIONS:
            raise self._entry.failure(End.FULL)

    async def _arrives(self, node: str) -> bool:
        """A process that has just started has not heard of all others yet."""
        left = self._started + settings.REQUEST_TIMEOUT - self._engine.wheel.time()
        if left <= 0:
            return False
        try:
            async with asyncio.timeout(left):
                while node not in self._cluster.nodes.live:
                    await self._newcomer.wait()
        except TimeoutError:
            return False
        return True

    # The links

    def _link(self, node: str) -> Link:
        if node not in self._links:
            self._links[node] = Link(self._bus, node)
        return self._links[node]

    def _conversations(self) -> list[Conversation]:
        return [each for link in self._links.values() for each in link.conversations.values()]

    def _heard(self, message: Message) -> None:
        link = self._link(message["node"])
        link.heard(message["order"], message["parcels"], self._home.asked)

    def _came(self, node: str) -> None:
        self._newcomer.set()
        self._newcomer = asyncio.Event()

    def _gone(self, node: str) -> None:
        link = self._links.pop(node, None)
        if link is not None:
            link.end_all(End.GONE)

    def _lost(self) -> None:
        """What was meant for us may have been lost."""
        for link in self._links.values():
            link.end_all(End.LOST)
