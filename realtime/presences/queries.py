"""Who is here: in a room, or online at all. From any code, in any process of the site.

A user counts once, however many sockets they have on however many nodes, and for
`REALTIME["PRESENCE_GRACE"]` seconds after the last one closed.
"""

import itertools
from typing import Any

from ..aio.forgotten import noticed
from ..conf import settings
from ..node import current, records, rooms
from ..node.base import Node
from .room import RoomKey
from .table import Entry, Present, UserKey, in_order, merge
from .tracker import Presence


def presence(room: Any, namespace: str = "/") -> tuple[Present, ...]:
    """Return the users in a room that sockets joined with `presence=True`, in the order of arrival.

    `room` is a name or a saved model instance. Raises RoomError for anything else,
    SyncEmitInAsyncCode in async code, and ChannelLayerError if no server can be asked.
    """
    key = _room(room, namespace)
    records.record_question("presence", {"room": room, "namespace": namespace})
    return current.run(
        lambda node: fetch_present(node, key), "presence", 2 * settings.REQUEST_TIMEOUT
    )


@noticed
async def apresence(room: Any, namespace: str = "/") -> tuple[Present, ...]:
    """`presence` for async code."""
    key = _room(room, namespace)
    records.record_question("presence", {"room": room, "namespace": namespace})
    return await current.arun(lambda node: fetch_present(node, key))


def is_online(user: Any) -> bool:
    """Return whether a user has a socket in any namespace, in any process.

    It is False for AnonymousUser. Raises the same errors as `presence`.
    """
    key = _user(user)
    records.record_question("is_online", {"user": user})
    if key is None:
        return False
    return current.run(lambda node: _is_online(node, key), "is_online", settings.REQUEST_TIMEOUT)


@noticed
async def ais_online(user: Any) -> bool:
    """`is_online` for async code."""
    key = _user(user)
    records.record_question("is_online", {"user": user})
    return key is not None and await current.arun(lambda node: _is_online(node, key))


def _room(room: Any, namespace: str) -> RoomKey:
    (name,) = rooms.targets([room]) or ()
    return namespace, name


def _user(user: Any) -> UserKey | None:
    if getattr(user, "is_anonymous", False):
        return None
    model, _, pk = rooms.of_instance(user).removeprefix(rooms.RESERVED).partition(":")
    return model, pk


async def fetch_present(node: Node, key: RoomKey) -> tuple[Present, ...]:
    own = node.follower(Presence)
    known = None if own is None else own.present(key)
    if known is not None:
        return known
    namespace, name = key
    question: dict[str, Any] = {"namespace": namespace, "room": name, "silent": []}
    replies = await node.requests.ask("presence.room", question)
    answers = {node: answer for node, answer in replies.answers.items() if answer is not None}
    users: dict[str, list[Any]] = {}
    for answer in answers.values():
        users |= answer["users"]
    hosts = {host for answer in answers.values() for host in answer["hosts"]}
    silent = sorted(hosts - users.keys())
    if silent:  # the others know whom they had
        question["silent"] = silent
        replies = await node.requests.ask("presence.room", question, nodes=[min(answers)])
        for answer in filter(None, replies.answers.values()):
            users = answer["users"] | users
    return _merged(users)


def _merged(users: dict[str, list[Any]]) -> tuple[Present, ...]:
    entries = sorted(
        (Entry.unpack(values) for packed in users.values() for values in packed),
        key=lambda entry: entry.key,
    )
    merged = (merge(group) for _, group in itertools.groupby(entries, key=lambda e: e.key))
    return in_order(present for present in merged if present is not None)


async def _is_online(node: Node, key: UserKey) -> bool:
    own = node.follower(Presence)
    if own is not None and own.is_online(key):
        return True
    replies = await node.requests.ask("presence.online", {"user": list(key)})
    return any(replies.answers.values())
