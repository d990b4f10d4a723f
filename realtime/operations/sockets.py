"""Sockets: pages of them with all that is known of each, and how many there are."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from json import loads
from typing import Any

from ..cluster.requests import Answer
from ..node.members import Members
from ..node.rooms import nodes_of
from ..node.sockets import Socket
from ..node.users import UserInfo
from .arguments import checked_text, node_timeout
from .asking import Body, Inquiry, Operation, awaitable, bound, twins
from .paging import Key, Slice, checked_slice, first_keys, in_turns
from .readable import readable
from .reports import Count, SocketInfo, SocketPage
from .selection import selected, selection

# A page of sockets


def _user_key(socket: Socket) -> Key:
    user = socket.user
    if user is None:
        return (True, "", "", "", socket.sid)
    return (False, user["name"].lower(), user["model"], user["pk"], socket.sid)


#: The last second that a datetime can tell.
END_OF_TIME = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()

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


def _fetch_sockets(
    to: Any = None,
    *,
    namespace: str | None = "/",
    search: str = "",
    order_by: str = "sid",
    offset: int = 0,
    limit: int = 100,
    timeout: float | None = None,
) -> Operation[SocketPage]:
    """Return a page of the sockets that match.

    `search` is compared with sid, rooms, user, transport and address, ignoring case. `order_by` is
    "sid", "user", "since", "transport" or "outbox", with "-" in front for descending order.
    `offset` plus `limit` is 10,000 at most. A page beyond the end is empty.
    """
    wanted = checked_slice(tuple(SOCKET_ORDERS), order_by, offset, limit)
    body = {**selection(to, namespace), "search": checked_text("search", search)}

    async def ask(inquiry: Inquiry) -> SocketPage:
        return await _find_page(inquiry, body, wanted)

    return Operation(ask=ask, timeout=node_timeout(timeout), questions=2)


async def _find_page(inquiry: Inquiry, body: Body, wanted: Slice) -> SocketPage:
    """First the keys from all nodes, then the details of those on the page."""
    question = {**body, **wanted.question}
    answers = await inquiry.ask("sockets.keys", question, nodes=nodes_of(body["to"]))
    keys = [key for answer in answers.values() for key in answer["keys"]]
    _, ordered = await first_keys(keys, tuple, wanted.end, wanted.descending)
    sids = [key[-1] for key in ordered[wanted.offset :]]
    return SocketPage(
        sockets=await _find_details(inquiry, sids),
        total=sum(answer["total"] for answer in answers.values()),
        offset=wanted.offset,
        limit=wanted.limit,
        missing=inquiry.missing,
    )


async def _answer_keys(members: Members, body: Body) -> Body:
    order = SOCKET_ORDERS[body["order"]]
    search = body.get("search", "").lower()

    def key(socket: Socket) -> Key | None:
        return order(socket) if not search or _is_found(socket, search) else None

    found = selected(members, body)
    total, keys = await first_keys(found, key, body["wanted"], body["descending"])
    return {"total": total, "keys": [list(key) for key in keys]}


def _is_found(socket: Socket, search: str) -> bool:
    connection = socket.connection
    texts = [socket.sid, connection.transport, connection.address or "", *socket.rooms]
    if socket.user is not None:
        texts += socket.user.values()
    return any(search in text.lower() for text in texts)


# Details of sockets


async def _find_details(inquiry: Inquiry, sids: list[str]) -> tuple[SocketInfo, ...]:
    nodes = nodes_of(tuple(sids))
    if not sids:
        return ()
    answers = await inquiry.ask("sockets.details", {"sids": sids}, nodes=nodes)
    found = {}
    told = [(node, details) for node, answer in answers.items() for details in answer]
    for batch in in_turns(told):
        for node, details in batch:
            found[details["sid"]] = _info(node, details)
        await asyncio.sleep(0)
    # Those that left between the two questions are no longer there.
    return tuple(found[sid] for sid in sids if sid in found)


def _info(node: str, details: Body) -> SocketInfo:
    user = details.get("user")
    return SocketInfo(
        sid=details["sid"],
        namespace=details["namespace"],
        rooms=tuple(details.get("rooms", ())),
        user=user and UserInfo(model=user["model"], pk=user["pk"], name=user["name"]),
        transport=details.get("transport", ""),
        address=details.get("address"),
        since=datetime.fromtimestamp(details.get("since", 0), UTC),
        data=loads(details.get("data", "{}")),
        node=node,
        outbox_messages=details.get("outbox_messages", 0),
        outbox_bytes=details.get("outbox_bytes", 0),
        siblings=tuple(details.get("siblings", ())),
        authentication=details.get("authentication", ""),
        expires=_time(details.get("expires")),
    )


def _time(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(min(max(seconds, 0), END_OF_TIME), UTC)


async def _answer_details(members: Members, body: Body) -> list[Body]:
    found = []
    for sids in in_turns(body["sids"]):
        found += [_details(members.sockets[sid]) for sid in sids if sid in members.sockets]
        await asyncio.sleep(0)
    return found


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
        "authentication": getattr(socket.login, "how", ""),
        "expires": getattr(socket.login, "expires", None),
    }


# How many sockets there are, and whether any of it changed


def _count_sockets(
    to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Count]:
    """Return how many sockets match, as an int with an additional attribute `missing`."""
    body = selection(to, namespace)

    async def ask(inquiry: Inquiry) -> Count:
        answers = await inquiry.ask("sockets.count", body, nodes=nodes_of(body["to"]))
        return Count(sum(answers.values()), inquiry.missing)

    return Operation(ask=ask, timeout=node_timeout(timeout))


def _answer_count(members: Members, body: Body) -> int:
    return len(selected(members, body))


def _fetch_changes(*, timeout: float | None = None) -> Operation[object]:
    """Equal to the last one as long as no page about sockets or rooms can be stale."""

    async def ask(inquiry: Inquiry) -> object:
        replies = await inquiry.replies("changes")
        return replies.answers, sorted(replies.missing)

    return Operation(ask=ask, timeout=node_timeout(timeout))


def _answer_changes(members: Members, body: Body) -> int:
    return members.changes


fetch_sockets, afetch_sockets = twins(_fetch_sockets)
count_sockets, acount_sockets = twins(_count_sockets)
afetch_changes = awaitable(_fetch_changes)


def answers(members: Members) -> dict[str, Answer]:
    """What a node answers about its own sockets."""
    return bound(
        members,
        {
            "sockets.keys": _answer_keys,
            "sockets.details": _answer_details,
            "sockets.count": _answer_count,
            "changes": _answer_changes,
        },
    )
