"""Questions to all nodes about sockets and rooms, and one result of their answers."""

import asyncio
import logging
import struct
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from json import loads
from typing import Any

from ..cluster.requests import Replies, Requests
from ..node import rooms
from .arguments import Body
from .inspection import RoomKey, digest, kind_of, name_key, pack_digests, unpack_digests
from .paging import Key, Slice, first_keys, in_turns
from .reports import RoomInfo, RoomPage, SocketInfo, SocketPage, UserInfo

logger = logging.getLogger("realtime.operations")


class Inquiry:
    """One or more questions, with one list of who did not answer."""

    def __init__(self, requests: Requests, timeout: float) -> None:
        self._requests = requests
        self._timeout = timeout
        self._missing: set[str] = set()

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(sorted(self._missing))

    async def ask(
        self, verb: str, body: Body, *, nodes: Collection[str] | None = None
    ) -> dict[str, Any]:
        """What each node answered. Raises ChannelLayerError."""
        replies = await self._requests.ask(verb, body, nodes=nodes, timeout=self._timeout)
        self._missing.update(replies.missing, replies.failures)
        _log_failures(verb, replies)
        return replies.answers


def _log_failures(verb: str, replies: Replies) -> None:
    for node, failure in replies.failures.items():
        logger.warning("node %s did not answer %r: %s", node, verb, failure)


def nodes_of(to: tuple[str, ...] | None) -> set[str] | None:
    """The only nodes that can have recipients: None, for all, unless `to` has sids only."""
    if to is None:
        return None
    nodes = {rooms.node_of(room) for room in to}
    return None if None in nodes else {node for node in nodes if node is not None}


# Sockets


async def find_sockets(inquiry: Inquiry, body: Body, wanted: Slice) -> SocketPage:
    """A page of sockets: first their keys from all nodes, then the details of the page."""
    question = {
        **body,
        "order": wanted.field,
        "descending": wanted.descending,
        "wanted": wanted.end,
    }
    answers = await inquiry.ask("sockets.keys", question, nodes=nodes_of(body["to"]))
    keys = [key for answer in answers.values() for key in answer["keys"]]
    _, ordered = await first_keys(keys, tuple, wanted.end, wanted.descending)
    sids = [key[-1] for key in ordered[wanted.offset :]]
    return SocketPage(
        sockets=await _socket_details(inquiry, sids),
        total=sum(answer["total"] for answer in answers.values()),
        offset=wanted.offset,
        limit=wanted.limit,
        missing=inquiry.missing,
    )


async def _socket_details(inquiry: Inquiry, sids: list[str]) -> tuple[SocketInfo, ...]:
    nodes = nodes_of(tuple(sids))
    if not nodes:
        return ()
    answers = await inquiry.ask("sockets.details", {"sids": sids}, nodes=nodes)
    found = {}
    for details in in_turns([d for answer in answers.values() for d in answer]):
        for each in details:
            found[each["sid"]] = _socket_info(each)
        await asyncio.sleep(0)
    # Those that left between the two questions are no longer there.
    return tuple(found[sid] for sid in sids if sid in found)


def _socket_info(details: Body) -> SocketInfo:
    user = details.get("user")
    return SocketInfo(
        sid=details["sid"],
        namespace=details["namespace"],
        rooms=tuple(details.get("rooms", ())),
        user=None
        if user is None
        else UserInfo(model=user["model"], pk=user["pk"], name=user["name"]),
        transport=details.get("transport", ""),
        address=details.get("address"),
        since=datetime.fromtimestamp(details.get("since", 0), UTC),
        data=loads(details.get("data", "{}")),
        node=rooms.node_of(details["sid"]) or "",
        outbox_messages=details.get("outbox_messages", 0),
        outbox_bytes=details.get("outbox_bytes", 0),
        siblings=tuple(details.get("siblings", ())),
    )


# Rooms


async def find_rooms(inquiry: Inquiry, body: Body, wanted: Slice) -> RoomPage:
    """A page of rooms: first a digest and a number of each from all nodes, then the page's."""
    question = {
        **body,
        "order": wanted.field,
        "descending": wanted.descending,
        "wanted": wanted.end,
    }
    answers = await inquiry.ask("rooms.index", question)
    # A node hears each emit to a room that it hosts, but counts its own sockets only.
    index = _RoomIndex(is_sum=wanted.field != "events")
    for node, answer in answers.items():
        await index.add(node, answer)
    if wanted.field == "name":
        digests = await _first_names(list(answers.values()), wanted)
    else:
        digests = await index.first(wanted)
    return RoomPage(
        rooms=_sorted(await _room_details(inquiry, digests, index), wanted),
        total=len(index.numbers),
        offset=wanted.offset,
        limit=wanted.limit,
        missing=inquiry.missing,
    )


class _RoomIndex:
    """All rooms, by digest, with a number of each and how many nodes have it."""

    def __init__(self, *, is_sum: bool) -> None:
        self.numbers: dict[int, int] = {}
        self.hosts: Counter[int] = Counter()
        self.nodes: set[str] = set()
        self._is_sum = is_sum

    async def add(self, node: str, answer: Body) -> None:
        digests = unpack_digests(answer["digests"])
        numbers = struct.unpack(f"<{len(digests)}I", answer["numbers"])
        self.nodes.add(node)
        for batch in in_turns(list(zip(digests, numbers, strict=True))):
            for room, number in batch:
                known = self.numbers.get(room, 0)
                self.numbers[room] = known + number if self._is_sum else max(known, number)
                self.hosts[room] += 1
            await asyncio.sleep(0)

    async def first(self, wanted: Slice) -> list[int]:
        """The digests of the slice, in the order of their numbers."""
        numbers = self.numbers
        rooms = list(numbers)
        _, keys = await first_keys(
            rooms, lambda room: (numbers[room], room), wanted.end, wanted.descending
        )
        return [room for _, room in keys[wanted.offset :]]


async def _first_names(answers: list[Body], wanted: Slice) -> list[int]:
    names: set[Key] = set()
    for answer in answers:
        for batch in in_turns(answer["names"]):
            names.update(map(tuple, batch))
            await asyncio.sleep(0)
    _, keys = await first_keys(list(names), lambda key: key, wanted.end, wanted.descending)
    return [digest(namespace, name) for _, name, namespace in keys[wanted.offset :]]


async def _room_details(inquiry: Inquiry, digests: list[int], index: _RoomIndex) -> list[RoomInfo]:
    if not digests:
        return []
    shared = [room for room in digests if index.hosts[room] > 1]
    question = {"digests": pack_digests(digests), "shared": pack_digests(shared)}
    answers = await inquiry.ask("rooms.details", question, nodes=index.nodes)
    parts: dict[RoomKey, list[list[Any]]] = {}
    for answer in answers.values():
        for namespace, name, *details in answer:
            parts.setdefault((namespace, name), []).append(details)
    return [_room_info(key, details) for key, details in parts.items()]


async def find_room(inquiry: Inquiry, key: RoomKey) -> RoomInfo | None:
    """One room, or None if nobody is in it."""
    packed = pack_digests([digest(*key)])
    answers = await inquiry.ask("rooms.details", {"digests": packed, "shared": packed})
    parts = [details for answer in answers.values() for _, _, *details in answer]
    return _room_info(key, parts) if parts else None


def _room_info(key: RoomKey, details: list[list[Any]]) -> RoomInfo:
    namespace, name = key
    return RoomInfo(
        namespace=namespace,
        name=name,
        kind=kind_of(name),
        sockets=sum(sockets for sockets, *_ in details),
        events=max(events for _, events, *_ in details),
        users=_distinct(users for _, _, users, *_ in details),
    )


def _distinct(parts: Iterable[int | bytes]) -> int:
    united: set[int] = set()
    number = 0
    for users in parts:
        if isinstance(users, bytes):
            united.update(unpack_digests(users))
        else:
            number += users
    return number + len(united)


def _sorted(found: list[RoomInfo], wanted: Slice) -> tuple[RoomInfo, ...]:
    def by_name(room: RoomInfo) -> Key:
        return name_key((room.namespace, room.name))

    # Rooms with the same number stand by name within a page, and by digest from page to page.
    found.sort(key=by_name, reverse=wanted.descending and wanted.field == "name")
    if wanted.field != "name":
        found.sort(key=lambda room: getattr(room, wanted.field), reverse=wanted.descending)
    return tuple(found)
