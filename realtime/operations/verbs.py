"""Ask and steer the sockets of all processes: from any code, in a process with a server or without.

Each verb has an async twin with an `a` in front. `to` is what it is in `emit`: a room name, a sid,
a user, a saved model instance, or a list of them; None is everyone in the namespace. `namespace`
None is every namespace. `timeout` is how long the nodes have, in seconds,
`REALTIME["REQUEST_TIMEOUT"]` by default. What does not exist matches nothing and is no error. A
node that does not answer is named in the result's `missing`. Raises ValueError, TypeError and
RoomError for bad arguments before anything is sent, SyncEmitInAsyncCode for a sync verb in async
code, and ChannelLayerError where other processes can't be reached.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, get_args

from ..cluster.requests import Requests
from ..node import current, rooms
from ..protocol.packets import check_event_name
from .arguments import UNSAID, Body, Unsaid, a_namespace, a_text, seconds, seconds_of_clients, whom
from .inquiries import Inquiry, find_rooms, find_sockets, nodes_of
from .inspection import SOCKET_ORDERS
from .paging import a_slice
from .reports import Answers, Count, Outcome, RoomKind, RoomPage, ServerAnswers, SocketPage
from .values import pack, unpack, unwrapped

P = ParamSpec("P")
T = TypeVar("T")

ROOM_ORDERS = ("sockets", "events", "name")
ROOM_KINDS = ("room", "user", "instance")


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation(Generic[T]):
    """What a verb was told, checked: the questions, and the seconds that they take at most."""

    ask: Callable[[Requests], Coroutine[Any, Any, T]]
    seconds: float


def _twins(
    verb: Callable[P, Operation[T]],
) -> tuple[Callable[P, T], Callable[P, Coroutine[Any, Any, T]]]:
    """The sync and the async face of a verb."""
    name = verb.__name__.removeprefix("_")

    def sync(*args: P.args, **kwargs: P.kwargs) -> T:
        operation = verb(*args, **kwargs)
        return current.run(lambda node: operation.ask(node.requests), name, operation.seconds)

    async def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        operation = verb(*args, **kwargs)
        return await current.arun(lambda node: operation.ask(node.requests))

    signature = inspect.signature(verb)
    (result,) = get_args(signature.return_annotation)
    for function, its_name in ((sync, name), (twin, f"a{name}")):
        functools.update_wrapper(function, verb)
        function.__name__ = function.__qualname__ = its_name
        # For help(): what the verb takes, and what the caller gets.
        vars(function)["__signature__"] = signature.replace(return_annotation=result)
    return sync, twin


# Questions


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
    """The sockets that match, a page of them.

    `search` is looked for in sid, rooms, user, transport and address, whatever the case.
    `order_by` is "sid", "user", "since", "transport" or "outbox", with "-" in front for
    descending. `offset + limit` is 10,000 at most. A page past the end is empty.
    """
    wanted = a_slice(tuple(SOCKET_ORDERS), order_by, offset, limit)
    body = {**whom(to, namespace), "search": a_text("search", search)}
    each = seconds(timeout)

    async def ask(requests: Requests) -> SocketPage:
        return await find_sockets(Inquiry(requests, each), body, wanted)

    return Operation(ask=ask, seconds=2 * each)


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
    """The rooms that have sockets, a page of them; of every namespace by default.

    `search` is looked for in the name, whatever the case. `kind` is "room" for those with a name of
    the application's choice, "user" for those of users, "instance" for those of other model
    instances. `order_by` is "sockets", "events" or "name", with "-" in front for descending.
    `offset + limit` is 10,000 at most. A page past the end is empty.
    """
    wanted = a_slice(ROOM_ORDERS, order_by, offset, limit)
    if kind is not None and kind not in ROOM_KINDS:
        raise ValueError(f"kind is one of {', '.join(ROOM_KINDS)}, or None, not {kind!r}")
    body = {
        "namespace": a_namespace(namespace),
        "search": a_text("search", search),
        "kind": kind,
    }
    each = seconds(timeout)

    async def ask(requests: Requests) -> RoomPage:
        return await find_rooms(Inquiry(requests, each), body, wanted)

    return Operation(ask=ask, seconds=2 * each)


def _count_sockets(
    to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Count]:
    """How many sockets match: an int, with `missing`."""
    body, each = whom(to, namespace), seconds(timeout)

    async def ask(requests: Requests) -> Count:
        inquiry = Inquiry(requests, each)
        answers = await inquiry.ask("sockets.count", body, nodes=nodes_of(body["to"]))
        return Count(sum(answers.values()), inquiry.missing)

    return Operation(ask=ask, seconds=each)


def _room_sizes(
    rooms: Iterable[Any], *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[dict[Any, Count]]:
    """How many sockets each of the rooms has: {room as it was passed: number}."""
    names = _names(rooms)
    body = {"namespace": a_namespace(namespace), "rooms": list(names.values())}
    each = seconds(timeout)

    async def ask(requests: Requests) -> dict[Any, Count]:
        inquiry = Inquiry(requests, each)
        answers = await inquiry.ask("rooms.sizes", body)
        sizes = [sum(of_nodes) for of_nodes in zip(*answers.values(), strict=True)]
        counts = (Count(size, inquiry.missing) for size in sizes or [0] * len(names))
        return dict(zip(names, counts, strict=True))

    return Operation(ask=ask, seconds=each)


def _names(passed: Iterable[Any]) -> dict[Any, str]:
    if isinstance(passed, str):
        raise TypeError(f"rooms is a list of rooms: [{passed!r}]; or use count_sockets()")
    return {room: name for room in passed for name in rooms.targets((room,)) or ()}


# Changes


def _join_sockets(
    room: Any, to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Outcome]:
    """Let the sockets that match join a room: text, or a saved model instance."""
    body = {**whom(to, namespace), "room": rooms.to_join(room)}
    return _change("sockets.join", body, timeout)


def _leave_sockets(
    room: Any, to: Any = None, *, namespace: str | None = "/", timeout: float | None = None
) -> Operation[Outcome]:
    """Take the sockets that match out of a room; with `to` None all that are in it.

    A reserved name such as "~auth.user:7" is taken as text, too.
    """
    (name,) = rooms.targets((room,)) or ()
    body = {**whom(name if to is None else to, namespace), "room": name}
    return _change("sockets.leave", body, timeout)


def _disconnect_sockets(
    to: Any = None,
    *,
    namespace: str | Unsaid | None = UNSAID,
    connection: bool = False,
    timeout: float | None = None,
) -> Operation[Outcome]:
    """Disconnect the sockets that match, in "/" where no namespace is named.

    With `connection` their connections are closed, and with them the clients' other namespaces.
    To disconnect everyone, name the namespace: ValueError where neither it nor `to` says whom.
    """
    if namespace is UNSAID:
        if to is None:
            raise ValueError(
                "disconnect_sockets() needs to be told whom: to=a room, sid, user or instance, or"
                ' namespace="/" for everyone in it'
            )
        namespace = "/"
    body = {**whom(to, namespace), "connection": bool(connection)}
    return _change("sockets.disconnect", body, timeout)


def _change(verb: str, body: Body, timeout: float | None) -> Operation[Outcome]:
    each = seconds(timeout)

    async def ask(requests: Requests) -> Outcome:
        inquiry = Inquiry(requests, each)
        answers = (await inquiry.ask(verb, body, nodes=nodes_of(body["to"]))).values()
        return Outcome(
            sockets=sum(answer["sockets"] for answer in answers),
            refused=sum(answer.get("refused", 0) for answer in answers),
            missing=inquiry.missing,
        )

    return Operation(ask=ask, seconds=each)


# Calls


def _call_sockets(
    event: str,
    *args: Any,
    to: Any = None,
    namespace: str | None = "/",
    timeout: float | None = None,
) -> Operation[Answers]:
    """Emit an event to the sockets that match, and collect what their clients answer.

    `timeout` is how long clients have, in seconds, `REALTIME["CALL_TIMEOUT"]` by default; a node
    has `REALTIME["REQUEST_TIMEOUT"]` more.
    """
    check_event_name([a_text("event", event)])
    patience = seconds_of_clients(timeout)
    body = {**whom(to, namespace), "packed": pack([event, *args]), "timeout": patience}
    each = patience + seconds(None)

    async def ask(requests: Requests) -> Answers:
        inquiry = Inquiry(requests, each)
        answers = (await inquiry.ask("sockets.call", body, nodes=nodes_of(body["to"]))).values()
        packed = {sid: values for answer in answers for sid, values in answer["answers"].items()}
        return Answers(
            answers={sid: unwrapped(unpack(values)) for sid, values in packed.items()},
            silent=tuple(sid for answer in answers for sid in answer["silent"]),
            missing=inquiry.missing,
        )

    return Operation(ask=ask, seconds=each)


def _call_servers(event: str, *args: Any, timeout: float | None = None) -> Operation[ServerAnswers]:
    """Run the function of a `@server_event` in every process with a server, this one too.

    Arguments and answers are what JSON holds, and bytes. `timeout` is how long the functions have,
    in seconds.
    """
    body = {"packed": pack([a_text("event", event), *args])}
    each = seconds(timeout)

    async def ask(requests: Requests) -> ServerAnswers:
        replies = await requests.ask("server.event", body, timeout=each)
        return ServerAnswers(
            answers={node: unpack(packed)[0] for node, packed in replies.answers.items()},
            failures=replies.failures,
            missing=replies.missing,
        )

    return Operation(ask=ask, seconds=each)


fetch_sockets, afetch_sockets = _twins(_fetch_sockets)
fetch_rooms, afetch_rooms = _twins(_fetch_rooms)
count_sockets, acount_sockets = _twins(_count_sockets)
room_sizes, aroom_sizes = _twins(_room_sizes)
join_sockets, ajoin_sockets = _twins(_join_sockets)
leave_sockets, aleave_sockets = _twins(_leave_sockets)
disconnect_sockets, adisconnect_sockets = _twins(_disconnect_sockets)
call_sockets, acall_sockets = _twins(_call_sockets)
call_servers, acall_servers = _twins(_call_servers)
