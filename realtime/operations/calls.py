"""Calls: an event is emitted to the sockets that match, and what their clients answer collected."""

import asyncio
import functools
from collections.abc import Sequence
from typing import Any

from ..cluster.requests import Answer
from ..node import unicast
from ..node.packing import pack, unpack
from ..node.rooms import nodes_of
from ..node.sockets import Socket, State
from ..protocol.packets import check_event_name
from ..server.namespaces import Namespaces
from .arguments import checked_text, client_timeout, node_timeout
from .asking import Body, Inquiry, Operation, bound, twins
from .paging import in_turns
from .reports import Answers
from .selection import selected, selection
from .steering import AT_ONCE


def _call_sockets(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str | None = "/",
    timeout: float | None = None,
) -> Operation[Answers]:
    """Emit an event to the sockets that match, and collect the answers of their clients.

    `timeout` is how many seconds the clients have, by default `REALTIME["CALL_TIMEOUT"]`. The nodes
    have `REALTIME["REQUEST_TIMEOUT"]` more.
    """
    check_event_name([checked_text("event", event)])
    patience = client_timeout(timeout)
    body = {**selection(to, namespace), "packed": pack([event, *args]), "timeout": patience}

    async def ask(inquiry: Inquiry) -> Answers:
        found = await inquiry.ask("sockets.call", body, nodes=nodes_of(body["to"]))
        answers = found.values()
        packed = {sid: values for answer in answers for sid, values in answer["answers"].items()}
        return Answers(
            answers={sid: _unwrapped(unpack(values)) for sid, values in packed.items()},
            silent=tuple(sid for answer in answers for sid in answer["silent"]),
            missing=inquiry.missing,
        )

    return Operation(ask=ask, timeout=patience + node_timeout(None))


def _unwrapped(values: list[Any]) -> Any:
    """The answer that a client's values are: one value, a tuple of several, or None."""
    if len(values) > 1:
        return tuple(values)
    return values[0] if values else None


async def _answer_call(namespaces: Namespaces, body: Body) -> Body:
    """Ask the clients, and wait until each has answered, or left, or the time is over."""
    survey = _Survey()
    event, *args = unpack(body["packed"])
    for batch in in_turns(selected(namespaces.node.members, body), AT_ONCE):
        for socket in batch:
            survey.ask(socket, event, args)
        await asyncio.sleep(0)
    await survey.finish(body["timeout"])
    return {"answers": survey.answers, "silent": survey.silent}


class _Survey:
    """One question to many clients."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.silent: list[str] = []
        #: Who is asked, with the id of the ack that we wait for.
        self._waiting: dict[Socket, int] = {}
        self._changed = asyncio.Event()

    def ask(self, socket: Socket, event: str, args: Sequence[Any]) -> None:
        if socket.state is not State.CONNECTED:
            self.silent.append(socket.sid)
            return
        answered = functools.partial(self._answered, socket)
        lost = functools.partial(self._lost, socket)
        self._waiting[socket] = unicast.ask(socket, event, args, answered, lost)

    async def finish(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while self._waiting:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for socket, ack_id in self._waiting.items():
                socket.answers.take(ack_id)  # what comes now comes too late
                self.silent.append(socket.sid)

    def _answered(self, socket: Socket, *values: Any) -> None:
        if self._waiting.pop(socket, None) is not None:
            self.answers[socket.sid] = pack(values)
            self._changed.set()

    def _lost(self, socket: Socket) -> None:
        if self._waiting.pop(socket, None) is not None:
            self.silent.append(socket.sid)
            self._changed.set()


call_sockets, acall_sockets = twins(_call_sockets)


def answers(namespaces: Namespaces) -> dict[str, Answer]:
    """What a node answers for its clients."""
    return bound(namespaces, {"sockets.call": _answer_call})
