"""The state of a server, as plain numbers for `metrics.snapshot()`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from ..engine.server import EngineServer
from ..metrics import counters as metrics
from ..node.node import ServingNode
from ..node.threads import lanes


class Readings:
    """Looks at one server, from its start to its end.

    It may be read in any thread: it walks copies that the interpreter makes in one step, and what
    it finds in them may be a moment old.
    """

    def __init__(self, node: ServingNode, engine: EngineServer) -> None:
        self._node = node
        self._engine = engine
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take part in snapshots; to be called on the event loop."""
        self._started = time.monotonic()
        metrics.sources.append(self.read)
        self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.read in metrics.sources:
            metrics.sources.remove(self.read)

    def _look(self) -> None:
        metrics.rates.look(time.monotonic())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(metrics.RATE_INTERVAL, self._look)

    def read(self) -> dict[str, float]:
        """Numbers by their names in `metrics.snapshot()`."""
        local = self._node.members
        everywhere = lanes()
        return {
            "sockets": len(local.sockets),
            "rooms": local.room_count,
            "namespaces": len(local.namespaces()),
            "handlers_running": everywhere.running,
            "handlers_lanes": everywhere.size,
            "uptime": time.monotonic() - self._started,
            **self._health(),
            **self._connections(),
            **_depth("inbox_events", [s.waiting for s in list(local.sockets.values())]),
        }

    def _health(self) -> dict[str, float]:
        nodes = self._node.cluster.nodes
        return {
            "healthy": float(nodes.healthy),
            "draining": float(nodes.draining),
            "nodes": len(nodes.live) + 1,
        }

    def _connections(self) -> dict[str, float]:
        connections = list(self._engine.sockets.values())
        wires = [connection.wire for connection in connections]
        polling = sum(wire.name == "polling" for wire in wires)
        return {
            "connections": len(connections),
            "connections_polling": polling,
            "connections_websocket": len(connections) - polling,
            "connections_paused": sum(connection.paused for connection in connections),
            **_depth("outbox_messages", [wire.queued_messages for wire in wires]),
            **_depth("outbox_bytes", [wire.buffered_bytes for wire in wires]),
        }


def _depth(name: str, sizes: Iterable[int]) -> dict[str, float]:
    sizes = list(sizes)
    return {name: sum(sizes), f"{name}_max": max(sizes, default=0)}
