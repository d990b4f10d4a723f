"""Emissions that a thread hands to the other processes by itself, as far as that goes."""

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..metrics.counters import count
from .bus import Bus, Message
from .groups import Group
from .layers import is_redis, layer_error
from .numbers import Outgoing

if TYPE_CHECKING:  # its libraries are an extra
    from .shortcut import Shortcut

T = TypeVar("T")
#: What is left for the event loop to do.
Left = Coroutine[Any, Any, object] | None


class Direct:
    """The shortcut to the layer of a bus, and the numbers of what is sent. For any thread."""

    def __init__(self, bus: Bus, outgoing: Outgoing, shortcut: "Shortcut") -> None:
        self._bus = bus
        self._outgoing = outgoing
        self._shortcut = shortcut

    def publish(self, to: Iterable[Group], body: Message) -> Left:
        """Send an emission to the other processes in some groups. Raises ChannelLayerError."""
        messages = self._outgoing.numbered(to, body)
        calls = [*self._bus.calls(messages)]
        is_done = self.by_shortcut(lambda shortcut: shortcut.hand_over(calls))
        return None if is_done else self._bus.hand_over(messages)

    def by_shortcut(self, work: "Callable[[Shortcut], T]") -> T:
        """The result of work that asks Redis. Raises ChannelLayerError if that does not answer."""
        try:
            return work(self._shortcut)
        except TimeoutError as error:
            count("layer.failed")
            raise layer_error(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._shortcut.close()


def direct(bus: Bus, outgoing: Outgoing) -> Direct | None:
    """For an open bus; None where the event loop has to do everything."""
    if not is_redis(bus.layer):
        return None
    from .shortcut import shortcut_to  # as above

    shortcut = shortcut_to(bus.layer)
    return None if shortcut is None else Direct(bus, outgoing, shortcut)
