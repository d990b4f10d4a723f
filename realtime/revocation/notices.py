"""What other processes report that concerns clients here: events were lost, rights are gone."""

from collections.abc import Collection, Iterable

from ..cluster.bus import Message
from ..cluster.groups import Group
from ..conf import settings
from ..metrics.counters import announce, count
from ..node import emissions
from ..node.node import ServingNode
from ..signals import messages_lost
from .marks import is_revoked


class Notices:
    """Passes on to the sockets of this process what concerns them."""

    def __init__(self, node: ServingNode) -> None:
        self._members = node.members
        node.cluster.on_lost.append(self._lost)
        node.bus.on["revoke"] = self._revoke

    def _lost(self, groups: Collection[Group], count: int) -> None:
        """Messages of other processes were lost; tell the clients, where the settings say how."""
        rooms = [(None, None) if isinstance(group, str) else group for group in groups]
        announce(messages_lost, rooms=rooms, count=count)
        event = settings.RESYNC_EVENT
        if event is None:
            return
        for group in groups:
            if isinstance(group, str):  # what was meant for sids of ours: it may be any of them
                self._resync(event, [(name, None) for name in self._members.namespaces()])
            else:
                self._resync(event, [group])

    def _resync(self, event: str, groups: Iterable[tuple[str, str | None]]) -> None:
        for namespace, room in groups:
            to = None if room is None else (room,)
            self._members.deliver(emissions.encode(event, [room], namespace=namespace, to=to))

    def _revoke(self, message: Message) -> None:
        """Someone's rights may have changed: make their clients reconnect."""
        sockets = self._members.sockets.values()
        for client in {s.client for s in sockets if is_revoked(s.marks, s.rooms, message)}:
            count("closed.revoked")
            client.connection.close("forced close")
