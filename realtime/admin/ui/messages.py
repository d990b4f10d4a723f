"""What is sent to the Socket.IO Admin UI, in the shapes that it expects. Pure.

The shapes are those of `typed-events` in @socket.io/admin-ui 0.5.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ...conf import settings
from ...operations.reports import SocketInfo

Serialized = dict[str, Any]
Sockets = dict[str, Serialized]
#: An event and its arguments.
UIEvent = tuple[Any, ...]


def serialized(info: SocketInfo) -> Serialized:
    """A socket. Its headers are left out: they hold the session cookie."""
    user = {} if info.user is None else {"user": info.user.name}
    return {
        "id": info.sid,
        "clientId": _client_id([info.sid, *info.siblings]),
        "transport": info.transport,
        "nsp": info.namespace,
        "data": user | info.data,
        "handshake": {
            "address": info.address or "",
            "headers": {},
            "query": {},
            "issued": int(info.since.timestamp() * 1000),
            "time": info.since.isoformat(),
            "url": settings.PATH,
        },
        "rooms": list(info.rooms),
    }


def _client_id(sids: Iterable[str]) -> str:
    # The connection's own id would do, but whoever knows it can act as the client.
    return hashlib.blake2b(min(sids).encode(), digest_size=6).hexdigest()


def changes(old: Sockets, new: Sockets) -> list[UIEvent] | None:
    """What to send to a page that knows `old`; None if it is simpler to send all of `new`."""
    if any(new[sid]["clientId"] != old[sid]["clientId"] for sid in new.keys() & old.keys()):
        return None
    now = datetime.now(UTC).isoformat()
    messages: list[UIEvent] = []
    for sid, socket in old.items():
        if sid not in new:
            messages += _gone(socket, now)
    for sid, socket in new.items():
        if sid not in old:
            messages.append(("socket_connected", socket, socket["handshake"]["time"]))
        elif socket != old[sid]:
            messages += _changed(old[sid], socket, now)
    return messages


def _gone(socket: Serialized, now: str) -> Iterator[UIEvent]:
    namespace, sid = socket["nsp"], socket["id"]
    yield ("socket_disconnected", namespace, sid, "gone", now)
    for room in socket["rooms"]:
        yield ("room_left", namespace, room, sid, now)


def _changed(old: Serialized, new: Serialized, now: str) -> Iterator[UIEvent]:
    namespace, sid = new["nsp"], new["id"]
    for room in new["rooms"]:
        if room not in old["rooms"]:
            yield ("room_joined", namespace, room, sid, now)
    for room in old["rooms"]:
        if room not in new["rooms"]:
            yield ("room_left", namespace, room, sid, now)
    updated = {name: new[name] for name in ("transport", "data") if new[name] != old[name]}
    if updated:
        yield ("socket_updated", {"id": sid, "nsp": namespace, **updated})


class Population:
    """How many sockets each node has in each namespace.

    The page merges these by position, so a namespace keeps its position even when it is empty.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def of_node(
        self, node: str, sockets: Sockets, nodes: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Those of one node; `nodes` has the node of each socket, which not every sid names."""
        here = [s["nsp"] for sid, s in sockets.items() if nodes.get(sid) == node]
        names = self._names.setdefault(node, [])
        names += [name for name in dict.fromkeys(here) if name not in names]
        return [{"name": name, "socketsCount": here.count(name)} for name in names]


def server_stats(node: dict[str, Any], population: list[dict[str, Any]]) -> dict[str, Any]:
    """The state of a node, from a reading of live/pulse.py."""
    stats = node["stats"]
    return {
        "serverId": node["id"],
        "hostname": node["host"],
        "pid": node["pid"],
        "uptime": stats["uptime"],
        "clientsCount": stats["connections"],
        "pollingClientsCount": stats["connections_polling"],
        "namespaces": population,
    }
