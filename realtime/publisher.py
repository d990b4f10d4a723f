"""The event loop of a process that serves no sockets: a WSGI worker, Celery, a command, a shell.

One loop in one background thread, started at first use, with the channel layer's pooled
connections; never a loop or a connection for each emit. A fork drops it, and the child starts its
own.
"""

import asyncio
import atexit
import os
import threading

from . import rooms
from .cluster import layer, publish, reaches_processes
from .conf import settings
from .emissions import Emission
from .exceptions import ChannelLayerError


class Publisher:
    """Hands emissions to the channel layer from this process."""

    def __init__(self) -> None:
        self.node_id = rooms.new_node_id()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="realtime-publisher", daemon=True
        )
        self._thread.start()

    async def publish(self, emission: Emission) -> None:
        """Hand an emission to the layer. Raises ChannelLayerError."""
        await publish(layer(), emission, self.node_id)

    def close(self) -> None:
        """Stop the loop, and with it the layer's connections."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=settings.EMIT_TIMEOUT)
        if not self.loop.is_running():
            self.loop.close()


_lock = threading.Lock()
_publisher: Publisher | None = None


def publisher() -> Publisher:
    """This process's publisher. Raises ChannelLayerError where no other process could hear it."""
    global _publisher
    found = layer()
    if not reaches_processes(found):
        alias = settings.CHANNEL_LAYER
        what = (
            f"CHANNEL_LAYERS has no {alias!r}"
            if found is None
            else f"the channel layer {alias!r} is in memory and reaches no other process"
        )
        raise ChannelLayerError(
            f"no Socket.IO server runs in this process, and {what}. To emit from workers, commands"
            " and shells, configure channels_redis in CHANNEL_LAYERS for all processes of the site."
        )
    with _lock:
        if _publisher is None:
            _publisher = Publisher()
            atexit.register(close)
        return _publisher


def close() -> None:
    """Stop the background loop; the next emit starts another."""
    global _publisher
    with _lock:
        stopped, _publisher = _publisher, None
    if stopped is not None:
        stopped.close()


def _after_fork() -> None:
    global _lock, _publisher
    # The thread stayed in the parent, and the lock may have been held there.
    _lock = threading.Lock()
    _publisher = None


os.register_at_fork(after_in_child=_after_fork)
