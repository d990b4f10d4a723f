"""What clients are told of who is in a room: the events `presence:state` and `presence:diff`."""

from collections.abc import Iterable
from typing import Any

from ..metrics.counters import counts
from ..node import emissions, rooms
from ..node.sockets import Socket
from ..protocol.frames import Frames
from .room import HostedRoom
from .table import Present


def tell(room: HostedRoom, sockets: Iterable[Socket], event: str, value: Any) -> None:
    """Send an event with the name of a room and a value to some of its sockets here."""
    namespace, name = room.key
    told = rooms.for_clients(name)
    emission = emissions.encode(event, [told, value], namespace=namespace, to=(name,))
    frames = Frames(emission.messages)
    for socket in sockets:
        socket.connection.send(frames)
        counts["events.out"] += 1


def listed(present: Iterable[Present]) -> list[dict[str, Any]]:
    """Users as clients get them."""
    return [{"id": p.user.pk, "name": p.user.name, "since": p.since.isoformat()} for p in present]
