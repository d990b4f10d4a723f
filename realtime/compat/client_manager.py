"""What python-socketio calls a client manager: its public methods on our rooms and cluster.

Room names are taken as they are here: python-socketio's users name their rooms in code of their
own.
"""

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..cluster.requests import Replies
from ..conf import settings
from ..exceptions import ChannelLayerError, EmitError, EventError, RoomError
from ..logs import brief, facts, failed, shortened
from ..node import emissions, rooms, silence, unicast
from ..node.node import ServingNode
from ..node.packing import pack_event, unpack
from ..node.sockets import Socket, State
from ..server.handling import check_arguments
from ..server.namespaces import Namespaces

if TYPE_CHECKING:
    from .server import SocketIOServer

logger = logging.getLogger("realtime.server")

_connecting: ContextVar[Socket | None] = ContextVar("_connecting", default=None)


@contextlib.contextmanager
def connecting(socket: Socket) -> Iterator[None]:
    """While a connect handler runs: what it emits in its namespace follows the acceptance."""
    token = _connecting.set(socket)
    try:
        yield
    finally:
        _connecting.reset(token)


class ClientManager:
    """The manager's methods that python-socketio's AsyncServer calls; arguments are as there."""

    server: "SocketIOServer"

    def set_server(self, server: "SocketIOServer") -> None:
        self.server = server

    @property
    def _namespaces(self) -> Namespaces:
        return self.server.core.namespaces

    @property
    def _node(self) -> ServingNode:
        return self.server.node

    def initialize(self) -> None:
        """Nothing to prepare: the cluster starts with the server."""

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: str | list[str] | None = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        ignore_queue: bool = False,
    ) -> None:
        target = rooms.targets(to or room)
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        if callback is not None:
            self._ask(event, args, namespace, target, callback)
            return
        emission = emissions.encode(
            event, args, namespace=namespace, to=target, skip=skip_sid or ()
        )
        socket = _connecting.get()
        if socket is not None and (socket.state, socket.namespace) == (State.CONNECTING, namespace):
            socket.held.append(emission)
        elif ignore_queue:
            self._node.deliver_here(emission)
        else:
            try:
                await self._node.broadcast(emission)
            except EmitError as error:
                if not settings.EMIT_FAIL_SILENTLY:
                    raise
                silence.keep(emission, error)

    def _ask(
        self,
        event: str,
        args: Iterable[Any],
        namespace: str,
        target: tuple[str, ...] | None,
        callback: Callable[..., Any],
    ) -> None:
        signature = inspect.signature(callback)

        def answered(sid: str, *values: Any) -> None:
            about = facts(sid=sid, namespace=namespace, event=event)
            try:
                check_arguments(event, signature, values)
                result = callback(*values)
            except EventError as error:
                logger.warning(
                    "a client's answer does not fit the callback: %s", brief(error), extra=about
                )
            except Exception:  # a callback's bug is no reason to close the client's connection
                failed(logger, "the callback of event %s raised", shortened(event), extra=about)
            else:
                if asyncio.iscoroutine(result):  # of a verb as well, see aio/forgotten.py
                    self._namespaces.tasks.start(result)

        for socket in tuple(self._node.members.members(namespace, target)):
            unicast.ask(socket, event, args, functools.partial(answered, socket.sid))
        elsewhere = [sid for sid in target or () if self._is_elsewhere(sid)]
        if elsewhere:
            body = {"packed": pack_event(event, args), "timeout": settings.CALL_TIMEOUT}
            asking = self._ask_elsewhere(elsewhere, namespace, body, answered)
            self._namespaces.tasks.start(asking)

    async def _ask_elsewhere(
        self, sids: list[str], namespace: str, body: dict[str, Any], answered: Callable[..., None]
    ) -> None:
        timeout = body["timeout"] + settings.REQUEST_TIMEOUT
        try:
            replies = await self._request("sockets.call", sids, namespace, body, timeout)
        except ChannelLayerError as error:
            about = facts(namespace=namespace)
            logger.error(
                "the clients of other processes could not be asked: %s", error, extra=about
            )
            return
        for answer in replies.answers.values():
            for sid, packed in answer["answers"].items():
                answered(sid, *unpack(packed))

    async def enter_room(
        self, sid: str, namespace: str, room: str, eio_sid: str | None = None
    ) -> None:
        if self._is_elsewhere(sid):
            replies = await self._request("sockets.join", [sid], namespace, {"room": room})
            if any(answer["refused"] for answer in replies.answers.values()):
                raise RoomError(f"{sid!r} is already in as many rooms as REALTIME MAX_ROOMS allows")
        else:
            await self._node.enter_room(self._socket(sid, namespace), room)

    async def leave_room(self, sid: str, namespace: str, room: str) -> None:
        if self._is_elsewhere(sid):
            await self._request("sockets.leave", [sid], namespace, {"room": room})
        else:
            self._node.leave_room(self._socket(sid, namespace), room)

    async def close_room(self, room: str, namespace: str) -> None:
        await self._request("sockets.leave", [room], namespace, {"room": room})

    async def disconnect_elsewhere(self, sid: str, namespace: str) -> None:
        """Disconnect a client if it is another process's."""
        if self._is_elsewhere(sid):
            await self._request("sockets.disconnect", [sid], namespace, {})

    def _is_elsewhere(self, sid: str) -> bool:
        if not rooms.is_sid(sid):
            return False
        node = rooms.node_of(sid)
        return sid not in self._namespaces.sockets if node is None else node != self._node.id

    async def _request(
        self,
        name: str,
        to: list[str],
        namespace: str,
        body: dict[str, Any],
        timeout: float | None = None,
    ) -> Replies:
        """Ask the processes that `to` may be in. Raises ChannelLayerError."""
        question = {"to": to, "namespace": namespace, **body}
        ask = self._node.requests.ask
        return await ask(name, question, nodes=rooms.nodes_of(tuple(to)), timeout=timeout)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return [sid, *self._socket(sid, namespace).rooms]

    def get_namespaces(self) -> Iterable[str]:
        return self._node.members.namespaces()

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        for socket in tuple(self._node.members.members(namespace, rooms.targets(room))):
            yield socket.sid, socket.connection.id

    def is_connected(self, sid: str, namespace: str) -> bool:
        socket = self._node.members.sockets.get(sid)
        return socket is not None and socket.namespace == namespace

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        socket = self._namespaces.sockets.get(sid)
        return None if socket is None else socket.connection.id

    def _socket(self, sid: str, namespace: str) -> Socket:
        socket = self._namespaces.sockets.get(sid)
        if socket is None or socket.namespace != namespace:
            raise ValueError(f"no client {sid!r} is connected to {namespace!r} in this process")
        return socket
