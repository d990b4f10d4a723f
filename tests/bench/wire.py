"""What the load generator says, byte by byte, and as little parsing as it can do with. Pure."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: 70 bytes of JSON, the size of a chat message.
PAYLOAD = {"room": "lobby", "user": "alice", "text": "hello to everyone who is here"}
# A fixed key is as much work for the server as a fresh one, and lets frames be built once.
_KEY = b"\x9d\x1b\x62\xe4"
_TEXT, _CLOSE = 0x81, 0x88
Greeting = tuple[tuple[bytes, str | None], ...]
_SHORT = 126


def client_frame(text: str) -> bytes:
    """A masked text frame."""
    data = text.encode()
    if len(data) >= _SHORT:
        raise ValueError("the benchmark's messages are short")
    masked = bytes(byte ^ _KEY[index % 4] for index, byte in enumerate(data))
    return bytes((_TEXT, 0x80 | len(data))) + _KEY + masked


def take_frame(buffer: bytearray) -> bytes | None:
    """Take the payload of the server frame at the front of the buffer; None if it is not whole."""
    if len(buffer) < 2:
        return None
    start, length = 2, buffer[1]
    if length == _SHORT:
        start, length = 4, int.from_bytes(buffer[2:4])
    if length > 0xFFFF or buffer[1] > _SHORT:
        raise ValueError("a frame of a length that the benchmark never causes")
    if len(buffer) < start + length:
        return None
    if buffer[0] == _CLOSE:
        raise ValueError("the server closed the websocket")
    payload = bytes(buffer[start : start + length])
    del buffer[: start + length]
    return payload


#: What every browser offers.
COMPRESSION = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def session(key: str) -> str:
    """The header of a client that is logged in."""
    return f"Cookie: sessionid={key}\r\n"


def upgrade(path: str, port: int, headers: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    ).encode()


def request(method: str, path: str, port: int, body: str = "") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
        f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def take_head(buffer: bytearray) -> bytes | None:
    """Take the head of an HTTP response from the buffer, in lower case."""
    head, found, _ = buffer.partition(b"\r\n\r\n")
    if not found:
        return None
    del buffer[: len(head) + 4]
    return bytes(head.lower())


def take_body(head: bytes, buffer: bytearray) -> bytes | None:
    """Take the body that follows `head`; its length is announced, or it comes in one chunk."""
    if b"transfer-encoding: chunked" in head:
        if not buffer.endswith(b"0\r\n\r\n"):
            return None
        size, _, rest = bytes(buffer).partition(b"\r\n")
        body = rest[: int(size, 16)]
        buffer.clear()
        return body
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    if len(buffer) < length:
        return None
    body = bytes(buffer[:length])
    del buffer[:length]
    return body


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a family of peers spells the same few messages."""

    path: str
    #: After the websocket's opening: what the server sends first, and what the client answers.
    greeting: Greeting
    fan: bytes
    echo: bytes
    left: bytes
    #: Asks for the name of the client's user.
    who: bytes
    #: The number in the answer to `left`.
    count: Callable[[bytes], int]


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _channels(event: str, payload: Any) -> bytes:
    return client_frame(_dumps({"event": event, "id": 0, "payload": payload}))


SOCKETIO = Dialect(
    path="/socket.io/?EIO=4&transport=websocket",
    greeting=((b"0{", "40"), (b"40{", None)),
    fan=client_frame(f'42["fan",{_dumps(PAYLOAD)}]'),
    echo=client_frame(f'420["echo",{_dumps(PAYLOAD)}]'),
    left=client_frame('420["left"]'),
    who=client_frame('420["who"]'),
    count=lambda answer: int(json.loads(answer[3:])[0]),
)
CHANNELS = Dialect(
    path="/ws/",
    greeting=(),
    fan=_channels("fan", PAYLOAD),
    echo=_channels("echo", PAYLOAD),
    left=_channels("left", None),
    who=_channels("who", None),
    count=lambda answer: int(json.loads(answer)["payload"]),
)
