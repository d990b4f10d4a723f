"""What a node tells its clients when events for them were lost on the way."""

from collections.abc import Collection, Iterable

from ..cluster.groups import Group
from ..conf import settings
from ..metrics.counters import announce
from ..node import emissions
from ..node.node import ServingNode
from ..signals import messages_lost


class Notices:
    """Passes on to the sockets of this process that they missed something."""

    def __init__(self, node: ServingNode) -> None:
        self._node = node
        node.cluster.on_lost.append(self._lost)

    def _lost(self, groups: Collection[Group], count: int) -> None:
        """Messages of other processes were lost; tell the clients, where the settings say how."""
        rooms = [(None, None) if isinstance(group, str) else group for group in groups]
        announce(messages_lost, rooms=rooms, count=count)
        event = settings.RESYNC_EVENT
        if event is None:
            return
        for group in groups:
            if isinstance(group, str):  # what was meant for sids of ours: it may be any of them
                self._resync(event, [(name, None) for name in self._node.members.namespaces()])
            else:
                self._resync(event, [group])

    def _resync(self, event: str, groups: Iterable[tuple[str, str | None]]) -> None:
        for namespace, room in groups:
            to = None if room is None else (room,)
            self._node.deliver_here(emissions.encode(event, [room], namespace=namespace, to=to))
