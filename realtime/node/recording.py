"""The node of a process in which tests run: what it emits and asks is recorded, and stays there."""

from collections.abc import Collection
from typing import Any

from ..cluster.bus import Bus
from ..cluster.requests import Replies, Requests
from .base import Node
from .emissions import Emission
from .rooms import new_node_id


class RecordingNode(Node):
    """Reaches nobody, like a site that no client is connected to. Needs no loop, and no thread."""

    def __init__(self) -> None:
        self.id = new_node_id()
        self.loop = None
        self.bus = Bus(self.id)  # never opened: it has no layer, and tells nobody
        self.requests = Unanswered(self.bus)

    async def _publish(self, emission: Emission) -> None:
        """`broadcast` has recorded it."""


class Unanswered(Requests):
    """Questions to a site without servers."""

    async def ask(
        self,
        name: str,
        body: dict[str, Any] | None = None,
        *,
        nodes: Collection[str] | None = None,
        timeout: float | None = None,
    ) -> Replies:
        return Replies(answers={}, failures={}, missing=())
