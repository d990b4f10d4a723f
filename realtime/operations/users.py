"""Users: pages of those who are online, each once, however many sockets they have and where."""

import asyncio
import operator
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from ..cluster.requests import Answer
from ..node.members import Members
from ..node.sockets import Socket
from .arguments import node_timeout
from .asking import Body, Inquiry, Operation, blocking, bound
from .indexes import Index, Pair, digest, index_of, pack_digests, unpack_digests
from .paging import AT_ONCE, Key, Slice, checked_slice, in_turns
from .reports import UserOnline, UserPage

#: A user as (model, primary key), both text, with their sockets here.
Hosted = tuple[Pair, list[Socket]]

USER_ORDERS = ("name", "sockets", "since")
#: A number of a user takes 8 bytes: it may be a time.
_FORMAT = "d"


# A page of users


def _fetch_users(
    *, search: str = "", order_by: str = "name", offset: int = 0, limit: int = 100
) -> Operation[UserPage]:
    """The users who are online, a page of them. Raises ValueError as `fetch_rooms` does.

    `search` is looked for in the name, the model's label and the primary key, whatever the case.
    `order_by` is "name", "sockets" or "since", with "-" in front for descending.
    """
    wanted = checked_slice(USER_ORDERS, order_by, offset, limit)

    async def ask(inquiry: Inquiry) -> UserPage:
        return await _find_page(inquiry, {"search": search}, wanted)

    return Operation(ask=ask, timeout=node_timeout(None), questions=2)


async def _find_page(inquiry: Inquiry, body: Body, wanted: Slice) -> UserPage:
    index = Index(min if wanted.field == "since" else operator.add, _FORMAT)
    await index.ask(inquiry, "users.index", {**body, **wanted.question})
    digests = await index.first(wanted, _of_name_key)
    parts = await index.details(inquiry, "users.details", {"digests": pack_digests(digests)})
    found = {digest(*user): _info(user, of_nodes) for user, of_nodes in parts.items()}
    # Those who left between the two questions are no longer there.
    users = tuple(found[user] for user in digests if user in found)
    return UserPage(users=users, total=len(index), missing=inquiry.missing)


async def _answer_index(members: Members, body: Body) -> Body:
    """The number of a user is that of their sockets, or since when the oldest one is there."""
    found = await _by_user(members, body["search"].lower())
    return await index_of(
        list(found.items()),
        body,
        pair=lambda hosted: hosted[0],
        number=_oldest if body["order"] == "since" else _size,
        name_key=_name_key,
        format=_FORMAT,
    )


def _size(hosted: Hosted) -> int:
    return len(hosted[1])


def _oldest(hosted: Hosted) -> float:
    return _since(hosted[1])


def _name_key(hosted: Hosted) -> Key:
    """How users are ordered by name: whatever the case, and the model and primary key last."""
    user, sockets = hosted
    name = _name(sockets)
    return (name.lower(), name, *user)


def _of_name_key(key: Key) -> Pair:
    _, _, model, pk = key
    return model, pk


async def _by_user(members: Members, search: str) -> dict[Pair, list[Socket]]:
    found: dict[Pair, list[Socket]] = {}
    for batch in in_turns(list(members.sockets.values())):
        for socket in batch:
            user = socket.user
            if user is not None and any(search in text.lower() for text in user.values()):
                found.setdefault((user["model"], user["pk"]), []).append(socket)
        await asyncio.sleep(0)
    return found


# Details of users


def _info(user: Pair, parts: list[list[Any]]) -> UserOnline:
    model, pk = user
    name, _, _ = max(parts, key=lambda part: part[2])
    return UserOnline(
        model=model,
        pk=pk,
        name=name,
        sockets=sum(sockets for _, sockets, _ in parts),
        since=datetime.fromtimestamp(min(since for _, _, since in parts), UTC),
    )


async def _answer_details(members: Members, body: Body) -> list[list[Any]]:
    """[model, pk, name, sockets, since] of some users."""
    wanted = set(unpack_digests(body["digests"]))
    found = await _by_user(members, "")
    return [
        [*user, _name(sockets), len(sockets), _since(sockets)]
        for user, sockets in found.items()
        if digest(*user) in wanted
    ]


def _since(sockets: list[Socket]) -> float:
    return min(socket.since for socket in sockets)


def _name(sockets: list[Socket]) -> str:
    """The name of the newest socket: it may have changed."""
    user = max(sockets, key=lambda socket: socket.since).user
    return "" if user is None else user["name"]


# Users of a room


async def digests_of_users(sockets: Collection[Socket]) -> set[int]:
    """A digest for each user who has one of these sockets; anonymous clients have none."""
    users: set[int] = set()
    for batch in in_turns(list(sockets)):
        users.update(digest(s.user["model"], s.user["pk"]) for s in batch if s.user is not None)
        if len(sockets) > AT_ONCE:
            await asyncio.sleep(0)
    return users


fetch_users = blocking(_fetch_users)


def answers(members: Members) -> dict[str, Answer]:
    """What a node answers about the users of its own sockets."""
    return bound(members, {"users.index": _answer_index, "users.details": _answer_details})
