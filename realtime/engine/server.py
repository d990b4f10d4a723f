"""The Engine.IO 4 server: engineio's public API on connections and wires of our own.

python-engineio's socket class is replaced: it spends a queue, three tasks and a timer on each
client, passes 10 of the 25 tests of the official suite under Daphne, and bounds no outbox.
"""

from __future__ import annotations

import logging
from typing import Any

from ..metrics import counters as metrics
from ..protocol.frames import Frames
from . import origins, refusals
from .api import EngineAPI
from .carrier import Carrier
from .connection import Connection
from .handshakes import check_query, greeting, say_unanswerable
from .limits import AddressLimit
from .scopes import address_of
from .sessions import Limits, Sessions, Sink
from .transports import daphne, http, polling, websocket
from .transports.bodies import Serves, limit_bodies
from .transports.http import Receive, Refused
from .transports.polling_wire import PollingWire
from .wheel import TimerWheel

__all__ = ["Connection", "EngineServer", "Frames", "Limits", "Sink"]

logger = logging.getLogger("realtime.engine")

#: Options of ours; engineio ignores what it does not know.
_OWN_OPTIONS = (
    "upgrade_timeout",
    "close_timeout",
    "outbox_messages",
    "outbox_bytes",
    "inbox_bytes",
    "packet_rate",
    "websocket_compression",
)


class EngineServer(EngineAPI):
    """An ASGI application for the requests of the Engine.IO path.

    Takes the options of `engineio.AsyncServer` and the fields of `Limits`. The `sink` is told of
    connections and messages, and has to be set before the first request; handlers registered with
    engineio's `on()` are not called. Who may connect is decided by `allow`, not by
    `cors_allowed_origins`.
    """

    def __init__(self, *, sink: Sink | None = None, **options: Any) -> None:
        own = {name: options.pop(name) for name in _OWN_OPTIONS if name in options}
        connection_rate = options.pop("connection_rate", None)
        # Given a bool, engineio sets levels and handlers of its logger; that is the project's part.
        options.update(async_mode="asgi", monitor_clients=False, logger=logger)
        super().__init__(**options)
        limits = Limits(
            ping_interval=self.ping_interval + self.ping_interval_grace_period,
            ping_timeout=self.ping_timeout,
            max_payload=self.max_http_buffer_size,
            **own,
        )
        self.wheel = TimerWheel(_tick(limits))
        self.sessions = Sessions(limits, self.wheel, self.generate_id)
        if sink is not None:
            self.sink = sink
        self.sockets = self.sessions.open
        #: New sessions a second that one address may open, None for any number.
        self.connection_rate: float | None = connection_rate
        self._addresses = AddressLimit()
        #: Whether new sessions are taken; `shutdown` ends it.
        self.accepting = True
        #: The process that holds the sessions, as it stands in their ids; None where it is alone.
        self.node_id: str | None = None
        self.relay: Carrier | None = None
        #: Requests that are being answered, websockets included.
        self.requests = 0

    @property
    def sink(self) -> Sink:
        return self.sessions.sink

    @sink.setter
    def sink(self, sink: Sink) -> None:
        self.sessions.sink = sink

    def generate_id(self) -> str:
        """An id for a session: a secret, behind the name of the process that holds the session."""
        secret = super().generate_id()
        return secret if self.node_id is None else f"{self.node_id}.{secret}"

    def allow(self, scope: dict[str, Any]) -> str | None:
        """Why a request is refused, or None. Asked for every request of a session."""
        return origins.refusal(scope)

    # Requests

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        self.requests += 1
        try:
            if scope["type"] == "websocket":
                rest = await self._websocket(scope, receive, send)
                if rest is not None:
                    await rest
            else:
                await self._http(scope, receive, send)
        finally:
            self.requests -= 1

    async def handle_request(self, *args: Any, **kwargs: Any) -> None:
        """engineio's name for an ASGI call."""
        await self(*args, **kwargs)

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        timeout = daphne.request_timeout(send)
        if timeout is not None:
            scope = {**scope, http.POLL_WITHIN: http.IN_TIME * timeout}
        headers: list[tuple[bytes, bytes]] = []
        try:
            self._check_origin(scope)
            headers = http.cors(scope)
            if self.relay is not None and await self.relay.carry(scope, receive, send):
                return
            status, body, more = await self._answer(scope, receive)
        except Refused as refused:
            say_unanswerable(scope, refused.code)
            http.discard(receive)
            status, body, more = refused.status, refused.body, [http.JSON]
            if status == 503 and not http.keeps_trying(scope):
                body = b""
        except http.TooLarge:
            http.discard(receive)
            status, body, more = 413, b"", []
        except http.Gone:
            return
        await http.respond(send, status, body, [*more, *headers])

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> http.Answer:
        method = scope["method"]
        if method == "OPTIONS":
            return 204, b"", http.preflight(scope)
        query = check_query(scope, "polling", self.transports)
        sid = query.get("sid") or None
        if method not in ("GET", "POST") or (method == "POST" and sid is None):
            raise Refused(http.BAD_METHOD)
        if method == "POST" and sid is not None:
            await polling.post(self.sessions, sid, scope, receive)
            return 200, b"ok", [http.TEXT]
        body, headers = await self._poll(scope, sid, receive)
        accepted = http.header(scope, b"accept-encoding") or ""
        compression = http.Compression(self.http_compression, self.compression_threshold)
        body, encoding = compression.apply(body, accepted)
        return 200, body, [http.TEXT, http.NO_STORE, *encoding, *headers]

    async def _poll(
        self, scope: dict[str, Any], sid: str | None, receive: Receive
    ) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        if sid is not None:
            return await polling.get(self.sessions, sid, receive, scope.get(http.POLL_WITHIN)), []
        self._check_accepting(scope)
        if self.relay is not None:
            await self.relay.announced()
        connection = self.sessions.admit(scope, PollingWire, self._greeting)
        wire = connection.wire
        assert isinstance(wire, PollingWire)
        return wire.take(), self._cookie_headers(connection)

    async def _websocket(
        self, scope: dict[str, Any], receive: Receive, send: Any
    ) -> websocket.Rest:
        scope = daphne.with_scheme(scope, send)
        try:
            self._check_origin(scope)
            sid = check_query(scope, "websocket", self.transports).get("sid") or None
            if self.relay is not None and await self.relay.carry(scope, receive, send):
                return None
            if sid is None:
                self._check_accepting(scope)
                return await websocket.begin(self.sessions, scope, receive, send, self._greeting)
            connection = self.sessions.find(sid)
            if connection is None:
                raise Refused(http.SESSION_UNKNOWN)
        except Refused as refused:
            say_unanswerable(scope, refused.code)
            await websocket.refuse(receive, send)
            return None
        upgrade = websocket.upgrade
        return await upgrade(connection, scope, receive, send, allowed=self.allow_upgrades)

    def _check_origin(self, scope: dict[str, Any]) -> None:
        refusal = self.allow(scope)
        if refusal is not None:
            metrics.report("refused.origin", address=address_of(scope))
            about = {"transport": _transport_of(scope)}
            refusals.say(logger, "origin", address_of(scope), refusal, detail=refusal, extra=about)
            raise Refused(http.FORBIDDEN, refusal)

    def _check_accepting(self, scope: dict[str, Any]) -> None:
        if not self.accepting:
            raise Refused(http.BAD_REQUEST, "Server shutting down", status=503)
        address, rate = address_of(scope), self.connection_rate
        if address is None or rate is None:
            return
        bucket = self._addresses.bucket(address, rate, self.wheel.time())
        if not bucket.take(self.wheel.time()):
            metrics.report("refused.connection_rate", address=address)
            if not bucket.overrun:
                bucket.overrun = True
                logger.warning(
                    "refused a connection: more than %s a second (CONNECTION_RATE) from %s",
                    rate,
                    address,
                    extra={"address": address, "transport": _transport_of(scope)},
                )
            raise Refused(http.BAD_REQUEST, "Too many connections", status=429)

    def limit_bodies(self, serves: Serves) -> None:
        """Count the bodies of our paths as they arrive, where the server would take them whole."""
        limit_bodies(self, serves, self.sessions.limits.max_payload, self._body_refused)

    def _body_refused(self, uri: bytes) -> None:
        """Daphne was told to refuse a body before the application saw the request."""
        sid = http.query({"query_string": uri.partition(b"?")[2]}).get("sid", "")
        connection = self.sockets.get(sid)
        if connection is not None:
            polling.refuse_body(connection)
        elif self.relay is not None:
            self.relay.refuse_body(sid)

    # The handshake

    def _greeting(self, connection: Connection) -> str:
        upgradable = self.allow_upgrades and "websocket" in self.transports
        return greeting(connection, upgradable=upgradable)

    def _cookie_headers(self, connection: Connection) -> list[tuple[bytes, bytes]]:
        if not self.cookie:
            return []
        attributes = self.cookie
        if not isinstance(attributes, dict):
            attributes = {"name": attributes, "path": "/", "SameSite": "Lax"}
        # Private to engineio; tests/conformance/test_engine_guards.py watches it.
        cookie = self._generate_sid_cookie(connection.id, attributes)
        return [(b"set-cookie", cookie.encode("latin-1"))]

    # The end

    @property
    def owes(self) -> bool:
        """Whether a closed session still has something for a client's next poll."""
        return any(wire.queued_messages for wire in self.sessions.lingering.values())

    async def shutdown(self) -> None:
        """Take no new sessions and close those that are open."""
        self.accepting = False
        self.close_all("server shutting down")


def _transport_of(scope: dict[str, Any]) -> str:
    return "websocket" if scope["type"] == "websocket" else "polling"


def _tick(limits: Limits) -> float:
    """A quarter of a second, or finer where the shortest timeout is short."""
    shortest = min(
        limits.ping_interval, limits.ping_timeout, limits.upgrade_timeout, limits.close_timeout
    )
    return min(0.25, max(0.002, shortest / 20))
