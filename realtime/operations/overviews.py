"""What the admin asks all processes beside the public operations: users, one room, namespaces.

For sync code, in a process with a server or without. A node that does not answer in time is named
in `missing`. Raises SyncEmitInAsyncCode in async code, and ChannelLayerError.
"""

import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..node import current
from .arguments import Body, seconds
from .inquiries import Inquiry, find_room
from .inspection import digest, pack_digests, unpack_digests
from .paging import Slice, a_slice, first_keys
from .reports import RoomInfo
from .user_inspection import UserKey

T = TypeVar("T")

USER_ORDERS = ("name", "sockets", "since")


@dataclass(frozen=True, kw_only=True, slots=True)
class UserOnline:
    """A user with sockets in any process; `since` is when the oldest of them connected."""

    model: str
    pk: str
    name: str
    sockets: int
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UserPage:
    """A slice of the users that match; `total` counts them all."""

    users: tuple[UserOnline, ...]
    total: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomReport:
    """A room, or None if nobody is in it."""

    room: RoomInfo | None
    missing: tuple[str, ...] = ()


def fetch_users(
    *, search: str = "", order_by: str = "name", offset: int = 0, limit: int = 100
) -> UserPage:
    """The users who are online, a page of them. Raises ValueError as `fetch_rooms` does.

    `search` is looked for in the name, the model's label and the primary key, whatever the case.
    `order_by` is "name", "sockets" or "since", with "-" in front for descending.
    """
    wanted = a_slice(USER_ORDERS, order_by, offset, limit)
    return _run(lambda inquiry: _find_users(inquiry, search, wanted), "fetch_users", 2)


def fetch_room(namespace: str, name: str) -> RoomReport:
    """One room, by its exact name."""

    async def find(inquiry: Inquiry) -> RoomReport:
        return RoomReport(room=await find_room(inquiry, (namespace, name)), missing=inquiry.missing)

    return _run(find, "fetch_room", 1)


def fetch_namespaces(limit: int = 50) -> dict[str, int]:
    """The namespaces with the most sockets, and how many those are."""

    async def find(inquiry: Inquiry) -> dict[str, int]:
        sizes: Counter[str] = Counter()
        for answer in (await inquiry.ask("namespaces.sizes", {})).values():
            sizes.update(answer)
        return dict(sizes.most_common(limit))

    return _run(find, "fetch_namespaces", 1)


def _run(find: Callable[[Inquiry], Coroutine[Any, Any, T]], name: str, questions: int) -> T:
    each = seconds(None)
    return current.run(
        lambda node: find(Inquiry(node.requests, each)), name, seconds=questions * each
    )


async def _find_users(inquiry: Inquiry, search: str, wanted: Slice) -> UserPage:
    question: Body = {
        "search": search,
        "order": wanted.field,
        "descending": wanted.descending,
        "wanted": wanted.end,
    }
    answers = list((await inquiry.ask("users.index", question)).values())
    merge = min if wanted.field == "since" else _sum
    numbers: dict[int, float] = {}
    for answer in answers:
        digests = unpack_digests(answer["digests"])
        values = struct.unpack(f"<{len(digests)}d", answer["numbers"])
        for user, number in zip(digests, values, strict=True):
            numbers[user] = merge(numbers[user], number) if user in numbers else number
    ordered = await _ordered(answers, numbers, wanted)
    return UserPage(
        users=await _user_details(inquiry, ordered), total=len(numbers), missing=inquiry.missing
    )


def _sum(one: float, other: float) -> float:
    return one + other


async def _ordered(answers: list[Body], numbers: dict[int, float], wanted: Slice) -> list[int]:
    if wanted.field == "name":
        names = list({tuple(name) for answer in answers for name in answer["names"]})
        _, keys = await first_keys(names, lambda key: key, wanted.end, wanted.descending)
        return [digest(model, pk) for _, _, model, pk in keys[wanted.offset :]]
    items = [(number, user) for user, number in numbers.items()]
    _, keys = await first_keys(items, lambda key: key, wanted.end, wanted.descending)
    return [user for _, user in keys[wanted.offset :]]


async def _user_details(inquiry: Inquiry, digests: list[int]) -> tuple[UserOnline, ...]:
    if not digests:
        return ()
    answers = await inquiry.ask("users.details", {"digests": pack_digests(digests)})
    parts: dict[UserKey, list[tuple[str, int, float]]] = {}
    for answer in answers.values():
        for model, pk, name, sockets, since in answer:
            parts.setdefault((model, pk), []).append((name, sockets, since))
    found = {digest(*key): _user(key, details) for key, details in parts.items()}
    # Those who left between the two questions are no longer there.
    return tuple(found[user] for user in digests if user in found)


def _user(key: UserKey, parts: list[tuple[str, int, float]]) -> UserOnline:
    model, pk = key
    name, _, _ = max(parts, key=lambda part: part[2])
    return UserOnline(
        model=model,
        pk=pk,
        name=name,
        sockets=sum(sockets for _, sockets, _ in parts),
        since=datetime.fromtimestamp(min(since for *_, since in parts), UTC),
    )
