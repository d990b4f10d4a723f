"""What a node answers about the users and the namespaces of its own sockets; for the admin."""

import asyncio
import functools
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..node.members import Members
from ..node.sockets import Socket
from .arguments import Body
from .inspection import digest, pack_digests, unpack_digests
from .paging import Key, first_keys, in_turns

#: (model, primary key), both text.
UserKey = tuple[str, str]
#: The namespaces that a node names; an application may have one for each object of its own.
MAX_NAMESPACES = 1_000


def answers(members: Members) -> dict[str, Callable[[Body], Any]]:
    """The questions that a node answers: verb -> function of the body."""
    verbs = {
        "users.index": _index,
        "users.details": _details,
        "namespaces.sizes": _namespaces,
    }
    return {verb: functools.partial(answer, members) for verb, answer in verbs.items()}


async def _index(members: Members, body: Body) -> Body:
    """Digests of all users that match, with a number of each; and the first names, if they order.

    The number is that of their sockets, or since when the oldest one is there.
    """
    found = await _by_user(members, body["search"].lower())
    digests, numbers = [], []
    names: list[Key] = []
    for batch in in_turns(list(found.items())):
        for key, sockets in batch:
            digests.append(digest(*key))
            numbers.append(_since(sockets) if body["order"] == "since" else len(sockets))
        await asyncio.sleep(0)
    if body["order"] == "name":
        keys = [name_key(key, _name(sockets)) for key, sockets in found.items()]
        _, names = await first_keys(keys, lambda key: key, body["wanted"], body["descending"])
    return {
        "digests": pack_digests(digests),
        "numbers": struct.pack(f"<{len(numbers)}d", *numbers),
        "names": [list(name) for name in names],
    }


async def _details(members: Members, body: Body) -> list[list[Any]]:
    """[model, pk, name, sockets, since] of some users."""
    wanted = set(unpack_digests(body["digests"]))
    found = await _by_user(members, "")
    return [
        [*key, _name(sockets), len(sockets), _since(sockets)]
        for key, sockets in found.items()
        if digest(*key) in wanted
    ]


def _namespaces(members: Members, body: Body) -> dict[str, int]:
    """Those with the most sockets, with how many."""
    return dict(Counter(members.population()).most_common(MAX_NAMESPACES))


async def _by_user(members: Members, search: str) -> dict[UserKey, list[Socket]]:
    found: dict[UserKey, list[Socket]] = {}
    for batch in in_turns(list(members.sockets.values())):
        for socket in batch:
            user = socket.user
            if user is not None and any(search in text.lower() for text in user.values()):
                found.setdefault((user["model"], user["pk"]), []).append(socket)
        await asyncio.sleep(0)
    return found


def name_key(user: UserKey, name: str) -> Key:
    """How users are ordered by name: whatever the case, and the model and primary key last."""
    return (name.lower(), name, *user)


def _since(sockets: list[Socket]) -> float:
    return min(socket.since for socket in sockets)


def _name(sockets: list[Socket]) -> str:
    """The name of the newest socket: it may have changed."""
    user = max(sockets, key=lambda socket: socket.since).user
    return "" if user is None else user["name"]
