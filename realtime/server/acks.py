"""The answer to one event of a client's."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from ..aio.calls import in_threads_too
from ..node.sockets import Socket
from . import applications
from .namespaces import Namespaces

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


def socket_behind(send: Any) -> Socket | None:
    """The socket whose application was given this `send`; None where it was given another.

    Where no middleware has put its own in the place, nobody sees what is sent on the way, and an
    answer needs neither a message nor a coroutine.
    """
    if type(send) is not functools.partial or len(send.args) != 1:
        return None
    is_own = getattr(send.func, "__func__", None) is Namespaces._perform
    return send.args[0] if is_own and isinstance(send.args[0], Socket) else None


class Ack:
    """The acknowledgement of an event, for handlers with the keyword-only parameter `ack`."""

    __slots__ = ("_send", "_socket", "ack_id")

    def __init__(self, send: Send, ack_id: int | None, socket: Socket | None = None) -> None:
        self._send = send
        # See `socket_behind`.
        self._socket = socket
        #: None where the client waits for no answer, or has had it.
        self.ack_id = ack_id

    @property
    def wanted(self) -> bool:
        """Whether the client waits for an answer that it has not had."""
        return self.ack_id is not None

    @in_threads_too
    async def __call__(self, *args: Any) -> None:
        """Send the acknowledgement with these values. Only the first call has an effect.

        It does nothing if the client did not ask for one.
        """
        await self.answer(*args)

    async def answer(self, *args: Any) -> None:
        """The same, for async code only."""
        if self.ack_id is not None and not self.answer_now(list(args)):
            ack_id, self.ack_id = self.ack_id, None
            try:
                await self._send({"type": "socketio.ack", "ack_id": ack_id, "args": list(args)})
            except (TypeError, ValueError):  # can't be encoded: the client still waits
                self.ack_id = ack_id
                raise

    def answer_now(self, args: list[Any]) -> bool:
        """Answer the client that waits, if nobody stands between; False if somebody does."""
        socket, ack_id = self._socket, self.ack_id
        if socket is None or ack_id is None:
            return False
        applications.answer(socket, ack_id, args)
        self.ack_id = None
        return True
