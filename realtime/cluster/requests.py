"""Questions to all nodes at once, or to some, and their replies; bounded in time.

Nobody keeps a list of what others hold, which would go stale: who wants to know asks. An asker
without a server knows no node; it learns from the first reply whom else to wait for.
"""

import asyncio
import inspect
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ..aio.tasks import Tasks
from ..conf import settings
from ..exceptions import ChannelLayerError, RealtimeError
from ..metrics.counters import count
from . import groups
from .beats import Nodes
from .bus import PROTOCOL, Bus, Message

logger = logging.getLogger("realtime.cluster")

Answer = Callable[[dict[str, Any]], Any | Awaitable[Any]]

#: A question older than this when it is heard has no one waiting any more. By the clocks of two
#: machines, which may differ by some seconds.
STALE = 30.0
#: Questions of others that may be in hand at a time; further ones are refused.
AT_A_TIME = 1_000
#: A process without a server stops listening when it asked nothing for so long. Seconds.
IDLE = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Replies:
    """What the nodes answered: values by node id, error texts by node id, and who was silent."""

    answers: dict[str, Any]
    failures: dict[str, str]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Pending:
    """A question that waits for replies."""

    waiting: set[str]
    #: Whether the askees are known, and not learned from the replies.
    known: bool
    done: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def has(self, node: str) -> bool:
        return node in self.answers or node in self.failures

    def replied(self, node: str) -> None:
        self.waiting.discard(node)
        if self.known and not self.waiting:
            self.done.set()

    def learn(self, nodes: Collection[str]) -> None:
        if not self.known:
            self.known = True
            self.waiting = set(nodes) - self.answers.keys() - self.failures.keys()


class Requests:
    """Asks, and answers what this process has an answer for."""

    def __init__(self, bus: Bus, nodes: Nodes | None = None) -> None:
        self._bus = bus
        self._nodes = nodes
        #: What this process can be asked: name -> a function of the question's body. It returns
        #: plain values; a RealtimeError that it raises becomes the asker's failure of this node.
        self.answers: dict[str, Answer] = {}
        self._pending: dict[str, _Pending] = {}
        self._ids = itertools.count()
        self._prefix = secrets.token_urlsafe(6)
        self._tasks = Tasks()
        self._idle: asyncio.TimerHandle | None = None
        bus.on["request"] = self._asked
        bus.on["reply"] = self._replied
        bus.on_foreign = self._foreign
        if nodes is not None:
            nodes.gone.append(self._is_gone)

    async def ask(
        self,
        name: str,
        body: dict[str, Any] | None = None,
        *,
        nodes: Collection[str] | None = None,
        timeout: float | None = None,
    ) -> Replies:
        """Ask the nodes with these ids, or all that serve, and this process itself if it does.

        `timeout` is in seconds, by default `REALTIME["REQUEST_TIMEOUT"]`. A node that is silent is
        in the replies' `missing`. Raises ChannelLayerError.
        """
        seconds = settings.REQUEST_TIMEOUT if timeout is None else timeout
        own = self._bus.node_id
        pending = self._pending_for(nodes)
        request_id = f"{self._prefix}{next(self._ids)}"
        self._pending[request_id] = pending
        try:
            async with asyncio.timeout(seconds):
                question = {"name": name, "body": body or {}, "id": request_id}
                await self._send_out(pending, question, nodes)
                if self._nodes is not None and own in pending.waiting:
                    await self._answer_ourselves(pending, question)
                await pending.done.wait()
        except TimeoutError:
            pending.missing |= pending.waiting
        finally:
            del self._pending[request_id]
            self._rest()
        return Replies(
            answers=pending.answers,
            failures=pending.failures,
            missing=tuple(sorted(pending.missing)),
        )

    def _pending_for(self, nodes: Collection[str] | None) -> _Pending:
        if self._nodes is None:
            return _Pending(waiting=set(nodes or ()), known=nodes is not None)
        live = {self._bus.node_id, *self._nodes.live}
        asked = live if nodes is None else set(nodes)
        return _Pending(waiting=asked & live, known=True, missing=asked - live)

    async def _send_out(
        self, pending: _Pending, question: Message, nodes: Collection[str] | None
    ) -> None:
        others = pending.waiting - {self._bus.node_id}
        if pending.known and not others:
            if not pending.waiting:
                pending.done.set()
            return
        self._listen()
        asked = [groups.NODES] if nodes is None else [*map(groups.node_group, others)]
        body = {**question, "reply_to": await self._bus.channel(), "asked": time.time()}
        message = self._bus.message("request", body)
        await self._bus.hand_over((group, message) for group in asked)

    async def _answer_ourselves(self, pending: _Pending, question: Message) -> None:
        own = self._bus.node_id
        found = await self._answer(question)
        if "failure" in found:
            pending.failures[own] = found["failure"]
        else:
            pending.answers[own] = found["answer"]
        pending.replied(own)

    def stop(self) -> None:
        """Nothing is asked any more."""
        if self._idle is not None:
            self._idle.cancel()

    # A process without a server listens only while it waits.

    def _listen(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._bus.listen()

    def _rest(self) -> None:
        if self._nodes is None and not self._pending:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE, lambda: self._tasks.start(self._bus.stop()))

    # Being asked

    def _asked(self, message: Message) -> None:
        if time.time() - message["asked"] > STALE:
            count("requests.stale")
            return
        self._tasks.start(self._reply_to(message))

    async def _reply_to(self, message: Message) -> None:
        if len(self._tasks) > AT_A_TIME:
            count("requests.refused")
            answer = {"failure": f"it is already answering {AT_A_TIME} questions; ask again later"}
        else:
            answer = await self._answer(message)
        await self._send_reply(message, {"id": message["id"], **answer})

    async def _answer(self, question: Message) -> dict[str, Any]:
        """Our own reply: {"answer": value} or {"failure": text}."""
        name = question["name"]
        answer = self.answers.get(name)
        if answer is None:
            return {"failure": f"it has no answer to {name!r}: it runs another version of the app"}
        try:
            value = answer(question["body"])
            return {"answer": await value if inspect.isawaitable(value) else value}
        except RealtimeError as error:
            return {"failure": str(error)}
        except Exception:
            logger.exception("the question %r could not be answered", name)
            return {"failure": f"{name!r} failed there; its log says why"}

    async def _send_reply(self, message: Message, reply: Message) -> None:
        live = [] if self._nodes is None else [self._bus.node_id, *self._nodes.live]
        try:
            await self._bus.send(message["reply_to"], "reply", {**reply, "nodes": live})
        except ChannelLayerError as error:
            logger.warning("the reply to %r could not be sent: %s", message["name"], error)

    # Replies

    def _replied(self, message: Message) -> None:
        pending, node = self._pending.get(message["id"]), message["node"]
        if pending is None or pending.has(node):
            count("requests.late")  # or it comes a second time
            return
        if "failure" in message:
            pending.failures[node] = str(message["failure"])
        else:
            pending.answers[node] = message["answer"]
        pending.learn(message["nodes"])
        pending.replied(node)

    def _foreign(self, message: Message) -> None:
        """A node of another version: tell whoever is waiting."""
        count("layer.other_version")
        text = f"it speaks version {message['version']} of the protocol, not version {PROTOCOL}"
        pending = self._pending.get(message.get("id", ""))
        if message["kind"] == "reply" and pending is not None:
            pending.failures[message["node"]] = text
            pending.replied(message["node"])
        elif message["kind"] == "request" and self._nodes is not None:
            self._tasks.start(self._send_reply(message, {"id": message["id"], "failure": text}))

    def _is_gone(self, node: str) -> None:
        for pending in self._pending.values():
            if node in pending.waiting:
                pending.missing.add(node)
                pending.replied(node)
