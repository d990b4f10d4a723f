"""What a node answers about its own sockets and rooms.

The first answer to a question for a page is short: keys in order, or digests with numbers. The
asker merges those of all nodes, and asks again for the details of the rows that it shows.
"""

import asyncio
import functools
import hashlib
import struct
from collections.abc import Callable, Collection
from typing import Any

from django.conf import settings as django_settings

from ..node import rooms
from ..node.members import Members
from ..node.sockets import Socket
from .arguments import Body
from .paging import AT_ONCE, Key, first_keys, in_turns
from .reports import RoomKind
from .values import readable

RoomKey = tuple[str, str]


def answers(members: Members) -> dict[str, Callable[[Body], Any]]:
    """The questions that a node answers for its sockets: verb -> function of the body."""
    verbs = {
        "sockets.keys": _socket_keys,
        "sockets.details": _socket_details,
        "sockets.count": _count,
        "rooms.sizes": _sizes,
        "rooms.index": _room_index,
        "rooms.details": _room_details,
        "changes": _changes,
    }
    return {verb: functools.partial(answer, members) for verb, answer in verbs.items()}


def matching(members: Members, body: Body) -> list[Socket]:
    """The sockets here that a question is about."""
    to = body.get("to")
    return members.matching(body.get("namespace"), None if to is None else tuple(to))


def _changes(members: Members, body: Body) -> int:
    """A number that is another one as soon as a page about sockets or rooms may be stale."""
    return members.changes


# Sockets


def _user_key(socket: Socket) -> Key:
    user = socket.user
    if user is None:
        return (True, "", "", "", socket.sid)
    return (False, user["name"].lower(), user["model"], user["pk"], socket.sid)


#: How sockets are ordered. Each key ends with the sid, so that no two are equal.
SOCKET_ORDERS: dict[str, Callable[[Socket], Key]] = {
    "sid": lambda socket: (socket.sid,),
    "user": _user_key,
    "since": lambda socket: (socket.since, socket.sid),
    "transport": lambda socket: (socket.connection.transport, socket.sid),
    "outbox": lambda socket: (
        socket.connection.buffered_bytes,
        socket.connection.buffered_messages,
        socket.sid,
    ),
}


async def _socket_keys(members: Members, body: Body) -> Body:
    order = SOCKET_ORDERS[body["order"]]
    search = body.get("search", "").lower()

    def key(socket: Socket) -> Key | None:
        return order(socket) if not search or _is_found(socket, search) else None

    found = matching(members, body)
    total, keys = await first_keys(found, key, body["wanted"], body["descending"])
    return {"total": total, "keys": [list(key) for key in keys]}


def _is_found(socket: Socket, search: str) -> bool:
    connection = socket.connection
    texts = [socket.sid, connection.transport, connection.address or "", *socket.rooms]
    if socket.user is not None:
        texts += socket.user.values()
    return any(search in text.lower() for text in texts)


async def _socket_details(members: Members, body: Body) -> list[Body]:
    details = []
    for number, sid in enumerate(body["sids"]):
        socket = members.sockets.get(sid)
        if socket is not None:
            details.append(_details(socket))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return details


def _details(socket: Socket) -> Body:
    connection = socket.connection
    return {
        "sid": socket.sid,
        "namespace": socket.namespace,
        "rooms": sorted(socket.rooms),
        "user": socket.user,
        "transport": connection.transport,
        "address": connection.address,
        "since": socket.since,
        "data": readable(socket.data),
        "outbox_messages": connection.buffered_messages,
        "outbox_bytes": connection.buffered_bytes,
        "siblings": sorted(s.sid for s in socket.client.sockets.values() if s is not socket),
    }


def _count(members: Members, body: Body) -> int:
    return len(matching(members, body))


async def _sizes(members: Members, body: Body) -> list[int]:
    sizes: list[int] = []
    for batch in in_turns(body["rooms"]):
        sizes += [len(members.matching(body["namespace"], (room,))) for room in batch]
        await asyncio.sleep(0)
    return sizes


# Rooms


def kind_of(room: str) -> RoomKind:
    """Whose room it is, by its name."""
    if not room.startswith(rooms.RESERVED):
        return "room"
    model = room[1:].partition(":")[0]
    return "user" if model == django_settings.AUTH_USER_MODEL.lower() else "instance"


# Of pages that are looked at again and again.
@functools.lru_cache(maxsize=50_000)
def digest(namespace: str, room: str) -> int:
    """64 bits that stand for a room, in every process the same."""
    text = f"{len(namespace)}:{namespace}{room}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def pack_digests(digests: Collection[int]) -> bytes:
    return struct.pack(f"<{len(digests)}Q", *digests)


def unpack_digests(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


async def _room_index(members: Members, body: Body) -> Body:
    """Digests of all rooms that match, with their numbers; and the first names, if they order."""
    digests, numbers = [], []
    found: list[RoomKey] = []
    for batch in in_turns(members.rooms()):
        for key, sockets in batch:
            if _is_wanted(key, body):
                found.append(key)
                digests.append(digest(*key))
                numbers.append(
                    members.events_a_minute(*key) if body["order"] == "events" else len(sockets)
                )
        await asyncio.sleep(0)
    names: list[Key] = []
    if body["order"] == "name":
        _, names = await first_keys(found, name_key, body["wanted"], body["descending"])
    return {
        "digests": pack_digests(digests),
        "numbers": struct.pack(f"<{len(numbers)}I", *numbers),
        "names": [list(name) for name in names],
    }


def name_key(room: RoomKey) -> Key:
    """How rooms are ordered by name: whatever the case, and the namespace last."""
    namespace, name = room
    return (name.lower(), name, namespace)


def _is_wanted(key: RoomKey, body: Body) -> bool:
    namespace, room = key
    return (
        body.get("namespace") in (None, namespace)
        and body.get("search", "").lower() in room.lower()
        and body.get("kind") in (None, kind_of(room))
    )


async def _room_details(members: Members, body: Body) -> list[list[Any]]:
    """[namespace, name, sockets, events a minute, users] of some rooms.

    The users are a number or, of rooms that other nodes have too, digests for the asker to unite.
    """
    wanted = set(unpack_digests(body["digests"]))
    shared = set(unpack_digests(body["shared"]))
    details = []
    for batch in in_turns(members.rooms()):
        for key, sockets in batch:
            number = digest(*key)
            if number in wanted:
                users = await _users(sockets)
                details.append(
                    [
                        *key,
                        len(sockets),
                        members.events_a_minute(*key),
                        pack_digests(users) if number in shared else len(users),
                    ]
                )
        await asyncio.sleep(0)
    return details


async def _users(members: Collection[Socket]) -> set[int]:
    users: set[int] = set()
    if len(members) <= AT_ONCE:
        users.update(map(_user_digest, members))
    else:
        for batch in in_turns(list(members)):
            users.update(map(_user_digest, batch))
            await asyncio.sleep(0)
    users.discard(_ANONYMOUS)
    return users


_ANONYMOUS = -1  # no digest


def _user_digest(socket: Socket) -> int:
    user = socket.user
    return _ANONYMOUS if user is None else digest(user["model"], user["pk"])
