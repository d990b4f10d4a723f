"""Engine.IO as a client speaks it: over polling, and over a websocket.

A packet is its type and its text, or bytes for a binary message, as in the protocol.

Why there is a client of its own: what a refusal says is half of what the doctor reports (the
numbered error in the body, where a redirect leads, the status that a proxy answers with). With
python-socketio come two clients. engineio's needs requests and websocket-client, which are extras,
and says "Connection error" whatever a websocket was refused with. simple-websocket's, which is a
dependency, raises ConnectionError(status) and drops headers and body; it leaves the port out of the
Host header, by which an Origin is judged here, and waits for an address that is silent without end.
Like it, this one stands on wsproto.
"""

import base64
import contextlib
import json
import time
from typing import Any, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from .diagnoses import no_handshake, no_websocket
from .findings import Ailment
from .site import AGENT, Answer, Site, fetch

Packet = str | bytes
SEPARATOR = "\x1e"
POLLING = "?EIO=4&transport=polling"
WEBSOCKET = "?EIO=4&transport=websocket"


class Wire(Protocol):
    """One way to the server."""

    def send(self, packet: Packet) -> None:
        """Raises Ailment."""

    def receive(self) -> list[Packet]:
        """The next packets; waits for one at least. Raises Ailment."""

    def close(self) -> None: ...


def greeting(packet: Packet) -> dict[str, Any]:
    """The server's opening packet. Raises Ailment."""
    value = _object(packet[1:]) if isinstance(packet, str) and packet.startswith("0") else {}
    if not isinstance(value.get("sid"), str):
        raise Ailment(
            f"the answer is not Socket.IO's: {packet[:60]!r}",
            "Another application may answer at this address. The server must have the same"
            ' REALTIME["PATH"] as this command.',
        )
    return value


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


class Polling:
    """A session over HTTP, each request on a connection of its own."""

    def __init__(self, site: Site, origin: str | None = None) -> None:
        self._site = site
        self._headers = {} if origin is None else {"Origin": origin}
        answer = fetch(site, site.path(POLLING), headers=self._headers)
        if answer.status != 200:
            raise no_handshake(site, answer)
        self.sid = str(greeting(answer.text.split(SEPARATOR)[0])["sid"])

    def send(self, packet: Packet) -> None:
        text = packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()
        self._checked(fetch(self._site, self._path, body=text, headers=self._headers))

    def receive(self) -> list[Packet]:
        answer = self._checked(fetch(self._site, self._path, headers=self._headers))
        return [
            base64.b64decode(packet[1:]) if packet.startswith("b") else packet
            for packet in answer.text.split(SEPARATOR)
        ]

    def close(self) -> None:
        self.send("1")

    @property
    def _path(self) -> str:
        return self._site.path(f"{POLLING}&sid={self.sid}")

    def _checked(self, answer: Answer) -> Answer:
        if answer.status != 200:
            raise no_handshake(self._site, answer)
        return answer


class Websocket:
    """A websocket; with the `sid` of a polling session, its upgrade."""

    def __init__(self, site: Site, *, sid: str = "", origin: str | None = None) -> None:
        self._site = site
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._packets: list[Packet] = []
        self._text = ""
        self._bytes = b""
        self._socket = site.connect()
        try:
            self._handshake(sid, origin)
        except Ailment:
            self._socket.close()
            raise

    def send(self, packet: Packet) -> None:
        message = TextMessage(packet) if isinstance(packet, str) else BytesMessage(packet)
        self._write(self._ws.send(message))

    def receive(self) -> list[Packet]:
        deadline = time.monotonic() + self._site.patience
        while not self._packets:
            for event in self._read(deadline):
                self._take(event)
        packets, self._packets = self._packets, []
        return packets

    def close(self) -> None:
        with contextlib.suppress(Ailment, LocalProtocolError):  # the server was first
            self._write(self._ws.send(CloseConnection(code=1000)))
        self._socket.close()

    # Private

    def _handshake(self, sid: str, origin: str | None) -> None:
        headers = [(b"User-Agent", AGENT.encode())]
        if origin is not None:
            headers.append((b"Origin", origin.encode()))
        target = self._site.path(WEBSOCKET) + (f"&sid={sid}" if sid else "")
        request = Request(host=self._site.netloc, target=target, extra_headers=headers)
        self._write(self._ws.send(request))
        deadline = time.monotonic() + self._site.patience
        refused: RejectConnection | None = None
        body = b""
        while True:
            events = self._read(deadline)
            for number, event in enumerate(events, 1):
                if isinstance(event, AcceptConnection):
                    for early in events[number:]:
                        self._take(early)
                    return
                if isinstance(event, RejectConnection):
                    refused = event
                if isinstance(event, RejectData):
                    body += event.data
                if refused is not None and self._is_complete(event):
                    raise no_websocket(self._site, _answer(refused, body))

    @staticmethod
    def _is_complete(event: Event) -> bool:
        if isinstance(event, RejectData):
            return event.body_finished
        return isinstance(event, RejectConnection) and not event.has_body

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                self._packets.append(self._text)
                self._text = ""
        elif isinstance(event, BytesMessage):
            self._bytes += event.data
            if event.message_finished:
                self._packets.append(bytes(self._bytes))
                self._bytes = b""
        elif isinstance(event, Ping):
            self._write(self._ws.send(event.response()))
        elif isinstance(event, CloseConnection):
            raise Ailment(f"the server closed the websocket (code {event.code})")

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Ailment(f"the websocket broke: {error!r}") from None

    def _read(self, deadline: float) -> list[Event]:
        try:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            data = self._socket.recv(65_536)
            self._ws.receive_data(data or None)
            events = list(self._ws.events())
        except TimeoutError:
            raise Ailment(
                f"nothing arrived over the websocket within {self._site.patience:g} s",
                "A proxy may be buffering what it passes on. With nginx: proxy_buffering off.",
            ) from None
        except (OSError, RemoteProtocolError) as error:
            raise Ailment(f"the websocket broke: {error!r}") from None
        if not data and not events:
            raise Ailment("the websocket was cut without a close frame")
        return events


def _answer(refused: RejectConnection, body: bytes) -> Answer:
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in refused.headers}
    return Answer(status=refused.status_code, headers=headers, body=body)


def probe(wire: Websocket) -> None:
    """Complete the upgrade of a polling session to this websocket. Raises Ailment."""
    wire.send("2probe")
    (answer, *_) = wire.receive()
    if answer != "3probe":
        raise Ailment(f"the answer to the upgrade's probe was {answer[:60]!r}, not '3probe'")
    wire.send("5")
