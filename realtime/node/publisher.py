"""The event loop of a process that serves no sockets: a WSGI worker, Celery, a command, a shell.

One loop in one background thread, started at first use, with the channel layer's pooled
connections; never a loop or a connection for each emit. A fork drops it, and the child starts its
own.
"""

import asyncio
import atexit
import os
import threading
from typing import Any

from channels.layers import get_channel_layer
from django.core.signals import setting_changed

from ..cluster.bus import Bus
from ..cluster.layers import reaches_processes
from ..cluster.numbers import Outgoing
from ..cluster.requests import Requests
from ..conf import settings
from ..exceptions import ChannelLayerError
from . import emissions
from .emissions import Emission
from .node import Node
from .rooms import new_node_id


class Publisher(Node):
    """The node of a process without sockets: tells and asks the others over the channel layer."""

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.id = new_node_id()
        self.bus = Bus(self.id)
        self.requests = Requests(self.bus)
        self._outgoing = Outgoing(self.bus)
        self.bus.open()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="realtime-publisher", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        # Here, for the layer closes its connections in the loop, and another may run elsewhere.
        self.loop.close()

    async def _publish(self, emission: Emission) -> None:
        to = emissions.addressees(emission, self.id)
        await self._outgoing.publish(to, emissions.to_body(emission))

    def close(self) -> None:
        """Stop the loop, and with it the layer's connections."""
        stopping = asyncio.run_coroutine_threadsafe(self._stop(), self.loop)
        stopping.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.loop.stop))
        self._thread.join(timeout=settings.EMIT_TIMEOUT)

    async def _stop(self) -> None:
        self.requests.stop()
        await self.bus.close()


_lock = threading.Lock()
_publisher: Publisher | None = None


def publisher() -> Publisher:
    """This process's publisher. Raises ChannelLayerError where no other process could hear it."""
    global _publisher
    found = get_channel_layer(settings.CHANNEL_LAYER)
    if not reaches_processes(found):
        alias = settings.CHANNEL_LAYER
        what = (
            f"CHANNEL_LAYERS has no entry {alias!r}"
            if found is None
            else f"the channel layer {alias!r} is in memory and reaches no other process"
        )
        raise ChannelLayerError(
            f"no Socket.IO server runs in this process, and {what}. To reach clients from workers,"
            " commands and shells, configure channels_redis in CHANNEL_LAYERS for all processes of"
            " the site."
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


def _layers_changed(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_LAYERS":
        close()


setting_changed.connect(_layers_changed, dispatch_uid="realtime.publisher")


def _after_fork() -> None:
    global _lock, _publisher
    # The thread stayed in the parent, and the lock may have been held there.
    _lock = threading.Lock()
    _publisher = None


os.register_at_fork(after_in_child=_after_fork)
