"""The event loop of a process that serves no sockets: a WSGI worker, Celery, a command, a shell.

One loop in one background thread, started at first use, with the channel layer's pooled
connections; never a loop or a connection for each emit. A fork drops it, and the child starts its
own.
"""

import asyncio
import atexit
import threading
from typing import Any

from channels.layers import get_channel_layer
from django.core.signals import setting_changed

from ..cluster.bus import Bus
from ..cluster.direct import direct
from ..cluster.layers import reaches_processes
from ..cluster.numbers import Outgoing
from ..cluster.requests import Requests
from ..conf import settings
from ..exceptions import ChannelLayerError, EmitError
from ..metrics.process import after_fork
from . import emissions, greenlets
from .base import Node, Run
from .emissions import Emission
from .keeping import MakeKeeping
from .rooms import new_node_id

#: Makes what logs the emissions of a publisher; set where the app is made ready.
keeping: list[MakeKeeping] = []


class Publisher(Node):
    """The node of a process without sockets: tells and asks the others over the channel layer."""

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.id = new_node_id()
        self.bus = Bus(self.id)
        self.requests = Requests(self.bus)
        self._outgoing = Outgoing(self.bus)
        self.bus.open()
        self._keeping = next((kept for make in keeping if (kept := make(self.bus))), None)
        self.is_among_greenlets = greenlets.patched_by() is not None
        # Among greenlets its sockets and locks would be patched ones.
        self._direct = None if self.is_among_greenlets else direct(self.bus, self._outgoing)
        if self.is_among_greenlets:
            self._start_among_greenlets()
        else:
            self.loop = asyncio.new_event_loop()
            name = "realtime-publisher"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        # Here, for the layer closes its connections in the loop, and another may run elsewhere.
        self.loop.close()

    def _start_among_greenlets(self) -> None:
        ready, self._ended = greenlets.Signal(), greenlets.Signal()

        def run() -> None:
            # Made here: patched sockets belong to the thread that makes them.
            self.loop = asyncio.new_event_loop()
            self.loop.call_soon(ready.give)
            self._run()
            self._ended.give()

        greenlets.start_real_thread(run)
        if not ready.wait(settings.EMIT_TIMEOUT):
            raise EmitError(
                f"{greenlets.patched_by()} has patched threads, and no real one could be started"
                " for the channel layer. Call monkey.patch_all() before anything else is imported,"
                " or use a worker with real threads."
            )

    async def _publish(self, emission: Emission) -> None:
        if self._keeping is not None and self._keeping.covers(emission.namespace):
            await self._keeping.publish(emission)
            return
        to = emissions.addressees(emission, self.id)
        await self._outgoing.publish(to, emissions.to_body(emission))

    def _is_for_threads(self, emission: Emission) -> bool:
        return self._direct is not None

    def _publish_from_thread(self, emission: Emission, run: Run) -> None:
        assert self._direct is not None
        kept = self._keeping
        if kept is not None and kept.covers(emission.namespace):
            left = self._direct.by_shortcut(lambda shortcut: kept.publish_by(shortcut, emission))
        else:
            to = emissions.addressees(emission, self.id)
            left = self._direct.publish(to, emissions.to_body(emission))
        if left is not None:
            run(left)

    def close(self) -> None:
        """Stop the loop, and with it the layer's connections."""
        if self._direct is not None:
            self._direct.close()
        self.loop.call_soon_threadsafe(self._begin_to_stop)
        if self.is_among_greenlets:
            self._ended.wait(settings.EMIT_TIMEOUT)
        else:
            self._thread.join(timeout=settings.EMIT_TIMEOUT)

    def _begin_to_stop(self) -> None:
        self._stopping = self.loop.create_task(self._stop())
        # A layer that is down may fail to say goodbye, which is nobody's trouble any more.
        self._stopping.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _stop(self) -> None:
        try:
            self.requests.stop()
            if self._keeping is not None:
                await self._keeping.stop()
            await self.bus.close()
        finally:
            self.loop.call_soon(self.loop.stop)


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


after_fork(_after_fork)
