"""Rooms: pages of them, one of them, and how many sockets some have."""

import asyncio
import operator
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..cluster.requests import Answer
from ..node.members import Members
from ..node.rooms import targets
from ..node.sockets import Socket
from .arguments import checked_namespace, checked_text, node_timeout
from .asking import Body, Inquiry, Operation, blocking, bound, twins
from .indexes import (
    Index,
    Pair,
    details,
    digest,
    distinct,
    index_of,
    pack_digests,
    unpack_digests,
)
from .paging import Key, Slice, checked_slice, in_turns
from .reports import Count, RoomInfo, RoomKind, RoomPage, RoomReport
from .room_kinds import ROOM_KINDS, kind_of
from .users import digests_of_users

#: A room that has sockets here, with them: what `Members.rooms` lists.
Hosted = tuple[Pair, Collection[Socket]]

ROOM_ORDERS = ("sockets", "events", "name")
#: A number of a room takes 4 bytes.
_FORMAT = "I"


# A page of rooms


def _fetch_rooms(
    *,
    namespace: str | None = None,
    search: str = "",
    kind: RoomKind | None = None,
    order_by: str = "-sockets",
    offset: int = 0,
    limit: int = 100,
    timeout: float | None = None,
) -> Operation[RoomPage]:
    """Return a page of the rooms that have sockets, by default of every namespace.

    `search` is compared with the names, ignoring case. `kind` is "room" for names that the
    application chose, "user" for the rooms of users, and "instance" for those of other model
    instances; None is all of them. `order_by` is "sockets", "events" or "name", with "-" in front
    for descending order. `offset` plus `limit` is 10,000 at most. A page beyond the end is empty.
    """
    wanted = checked_slice(ROOM_ORDERS, order_by, offset, limit)
    if kind is not None and kind not in ROOM_KINDS:
        raise ValueError(f"kind must be one of {', '.join(ROOM_KINDS)}, or None, not {kind!r}")
    body = {
        "namespace": checked_namespace(namespace),
        "search": checked_text("search", search),
        "kind": kind,
    }

    async def ask(inquiry: Inquiry) -> RoomPage:
        return await _find_page(inquiry, body, wanted)

    return Operation(ask=ask, timeout=node_timeout(timeout), questions=2)


async def _find_page(inquiry: Inquiry, body: Body, wanted: Slice) -> RoomPage:
    # A node hears each emit to a room that it hosts, but counts its own sockets only.
    index = Index(max if wanted.field == "events" else operator.add, _FORMAT)
    await index.ask(inquiry, "rooms.index", {**body, **wanted.question})
    digests = await index.first(wanted, _of_name_key)
    shared = [room for room in digests if index.hosts[room] > 1]
    question = {"digests": pack_digests(digests), "shared": pack_digests(shared)}
    found = await index.details(inquiry, "rooms.details", question)
    return RoomPage(
        rooms=_in_order([_info(room, parts) for room, parts in found.items()], wanted),
        total=len(index),
        offset=wanted.offset,
        limit=wanted.limit,
        missing=inquiry.missing,
    )


def _in_order(found: list[RoomInfo], wanted: Slice) -> tuple[RoomInfo, ...]:
    def by_name(room: RoomInfo) -> Key:
        return _name_key((room.namespace, room.name))

    # Rooms with the same number stand by name within a page, and by digest from page to page.
    found.sort(key=by_name, reverse=wanted.descending and wanted.field == "name")
    if wanted.field != "name":
        found.sort(key=lambda room: getattr(room, wanted.field), reverse=wanted.descending)
    return tuple(found)


def _name_key(room: Pair) -> Key:
    """How rooms are ordered by name: whatever the case, and the namespace last."""
    namespace, name = room
    return (name.lower(), name, namespace)


def _of_name_key(key: Key) -> Pair:
    _, name, namespace = key
    return namespace, name


async def _answer_index(members: Members, body: Body) -> Body:
    def wanted(hosted: Hosted) -> Pair | None:
        return hosted[0] if _is_wanted(hosted[0], body) else None

    return await index_of(
        members.rooms(),
        body,
        pair=wanted,
        number=_number(members, body["order"]),
        name_key=lambda hosted: _name_key(hosted[0]),
        format=_FORMAT,
    )


def _number(members: Members, order: str) -> Callable[[Hosted], int]:
    if order == "events":
        return lambda hosted: members.events_per_minute(*hosted[0])
    return lambda hosted: len(hosted[1])


def _is_wanted(room: Pair, body: Body) -> bool:
    namespace, name = room
    return (
        body.get("namespace") in (None, namespace)
        and body.get("search", "").lower() in name.lower()
        and body.get("kind") in (None, kind_of(name))
    )


# Details of rooms


def _fetch_room(namespace: str, name: str) -> Operation[RoomReport]:
    """One room, by its exact name."""
    packed = pack_digests([digest(namespace, name)])

    async def ask(inquiry: Inquiry) -> RoomReport:
        question = {"digests": packed, "shared": packed}
        parts = (await details(inquiry, "rooms.details", question)).get((namespace, name))
        room = None if parts is None else _info((namespace, name), parts)
        return RoomReport(room=room, missing=inquiry.missing)

    return Operation(ask=ask, timeout=node_timeout(None))


def _info(room: Pair, parts: list[list[Any]]) -> RoomInfo:
    namespace, name = room
    return RoomInfo(
        namespace=namespace,
        name=name,
        kind=kind_of(name),
        sockets=sum(sockets for sockets, _, _ in parts),
        events=max(events for _, events, _ in parts),
        users=distinct(users for _, _, users in parts),
    )


async def _answer_details(members: Members, body: Body) -> list[list[Any]]:
    """[namespace, name, sockets, events a minute, users] of some rooms.

    The users are a number or, of rooms that other nodes have too, digests for the asker to unite.
    """
    wanted, shared = set(unpack_digests(body["digests"])), set(unpack_digests(body["shared"]))
    found: list[list[Any]] = []
    for batch in in_turns(members.rooms()):
        for room, sockets in batch:
            number = digest(*room)
            if number in wanted:
                users = await digests_of_users(sockets)
                told = pack_digests(users) if number in shared else len(users)
                found.append([*room, len(sockets), members.events_per_minute(*room), told])
        await asyncio.sleep(0)
    return found


# Sizes of rooms


def _room_sizes(
    rooms: Iterable[Any], *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[dict[Any, Count]]:
    """Return how many sockets each of the rooms has, as a dict.

    Its keys are the rooms as they were passed, names or model instances; its values are ints with
    the attribute `missing`.
    """
    names = _names(rooms)
    body = {"namespace": checked_namespace(namespace), "rooms": list(names.values())}

    async def ask(inquiry: Inquiry) -> dict[Any, Count]:
        answers = await inquiry.ask("rooms.sizes", body)
        sizes = [sum(of_nodes) for of_nodes in zip(*answers.values(), strict=True)]
        counts = (Count(size, inquiry.missing) for size in sizes or [0] * len(names))
        return dict(zip(names, counts, strict=True))

    return Operation(ask=ask, timeout=node_timeout(timeout))


def _names(passed: Iterable[Any]) -> dict[Any, str]:
    if isinstance(passed, str):
        raise TypeError(
            f"rooms must be a list of rooms, such as [{passed!r}], not a string; count_sockets()"
            " takes one room"
        )
    return {room: name for room in passed for name in targets((room,)) or ()}


async def _answer_sizes(members: Members, body: Body) -> list[int]:
    sizes: list[int] = []
    for batch in in_turns(body["rooms"]):
        sizes += [len(members.matching(body["namespace"], (room,))) for room in batch]
        await asyncio.sleep(0)
    return sizes


fetch_rooms, afetch_rooms = twins(_fetch_rooms)
fetch_room = blocking(_fetch_room)
room_sizes, aroom_sizes = twins(_room_sizes)


def answers(members: Members) -> dict[str, Answer]:
    """What a node answers about its own rooms."""
    return bound(
        members,
        {
            "rooms.index": _answer_index,
            "rooms.details": _answer_details,
            "rooms.sizes": _answer_sizes,
        },
    )
