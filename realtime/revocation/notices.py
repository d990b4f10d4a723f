"""What others tell this process that concerns its clients: events were lost, rights are gone."""

from collections.abc import Collection, Iterable

from ..cluster.bus import Message
from ..cluster.cluster import Cluster
from ..conf import settings
from ..metrics.counters import announce, count
from ..node import emissions
from ..node.members import Manager
from ..node.rooms import Group
from ..signals import messages_lost
from .marks import is_revoked


class Notices:
    """Passes on to the sockets of this process what concerns them."""

    def __init__(self, local: Manager) -> None:
        self._local = local

    def hear(self, cluster: Cluster) -> None:
        cluster.on_lost.append(self._lost)
        cluster.bus.on["revoke"] = self._revoke

    def _lost(self, groups: Collection[Group], count: int) -> None:
        """Messages of other processes were lost; tell the clients, where the settings say how."""
        rooms = [(None, None) if isinstance(group, str) else group for group in groups]
        announce(messages_lost, rooms=rooms, count=count)
        event = settings.RESYNC_EVENT
        if event is None:
            return
        for group in groups:
            if isinstance(group, str):  # what was meant for sids of ours: it may be any of them
                self._resync(event, [(name, None) for name in self._local.namespaces()])
            else:
                self._resync(event, [group])

    def _resync(self, event: str, groups: Iterable[tuple[str, str | None]]) -> None:
        for namespace, room in groups:
            to = None if room is None else (room,)
            self._local.deliver(emissions.encode(event, [room], namespace=namespace, to=to))

    def _revoke(self, message: Message) -> None:
        """Someone's rights may have changed: let those whom it concerns connect anew."""
        sockets = self._local.sockets.values()
        for client in {s.client for s in sockets if is_revoked(s.marks, s.rooms, message)}:
            count("closed.revoked")
            client.connection.close("forced close")
