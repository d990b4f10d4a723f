"""`rooms` and `sockets`: pages of what all nodes hold."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from ...node.rooms import RESERVED
from ...operations.reports import RoomPage, SocketInfo, SocketPage
from ...operations.room_kinds import ROOM_KINDS
from ...operations.rooms import ROOM_ORDERS, fetch_rooms
from ...operations.sockets import SOCKET_ORDERS, fetch_sockets
from . import targets
from .base import Options, Output, Subcommand, check_complete, errors_as_exit_codes
from .values import age_text, size_text

#: Orders in which people want the largest first.
LARGEST_FIRST = ("sockets", "events", "outbox")


def _add_page(parser: CommandParser, orders: Sequence[str]) -> None:
    group = parser.add_argument_group("page")
    group.add_argument(
        "--search",
        default="",
        metavar="TEXT",
        help="list only what contains this text, ignoring case",
    )
    group.add_argument("--sort", choices=orders, default=orders[0])
    group.add_argument("--reverse", action="store_true", help="reverse the order")
    group.add_argument(
        "--limit", type=int, default=50, metavar="ROWS", help="rows to print; 50 by default"
    )
    group.add_argument(
        "--offset", type=int, default=0, metavar="ROWS", help="rows to skip at the beginning"
    )
    parser.add_argument("--timeout", type=float, help="seconds that the nodes have to answer")


def _order(options: Options) -> str:
    descending = (options["sort"] in LARGEST_FIRST) != options["reverse"]
    return f"-{options['sort']}" if descending else str(options["sort"])


def _page(options: Options) -> dict[str, Any]:
    return {name: options[name] for name in ("search", "limit", "offset", "timeout")}


def _finish(page: RoomPage | SocketPage, shown: int, noun: str, output: Output) -> None:
    output.json(asdict(page))
    if not page.total:
        output.line(f"No {noun}s.")
    elif shown:
        first, last = page.offset + 1, page.offset + shown
        output.line(f"{first:,} to {last:,} of {targets.count(page.total, noun)}")
    else:
        output.line(f"--offset is beyond the end: there {_there_are(page.total, noun)}.")
    check_complete(page.missing)


def _there_are(number: int, noun: str) -> str:
    return f"{'is' if number == 1 else 'are'} only {targets.count(number, noun)}"


# Rooms


def _add_room_arguments(parser: CommandParser) -> None:
    parser.add_argument("--namespace", metavar="NAME", help="list only rooms in this namespace")
    parser.add_argument(
        "--kind",
        choices=ROOM_KINDS,
        help="room: names that the application chose; user: rooms of users; instance: rooms of"
        " other model instances",
    )
    _add_page(parser, ROOM_ORDERS)


def _run_rooms(options: Options, output: Output) -> None:
    with errors_as_exit_codes():
        page = fetch_rooms(
            namespace=options["namespace"],
            kind=options["kind"],
            order_by=_order(options),
            **_page(options),
        )
    if page.rooms:
        output.table(
            ("NAMESPACE", "ROOM", "KIND", "SOCKETS", "USERS", "EVENTS/MIN"),
            [
                (r.namespace, r.name, r.kind, f"{r.sockets:,}", f"{r.users:,}", f"{r.events:,}")
                for r in page.rooms
            ],
            right=("SOCKETS", "USERS", "EVENTS/MIN"),
        )
    _finish(page, len(page.rooms), "room", output)


rooms = Subcommand(
    name="rooms",
    help="List the rooms that have sockets, on all nodes.",
    add_arguments=_add_room_arguments,
    run=_run_rooms,
)

# Sockets


def _add_socket_arguments(parser: CommandParser) -> None:
    targets.add_arguments(parser, everyone="Without any of them, all sockets are listed.")
    _add_page(parser, tuple(SOCKET_ORDERS))


def _run_sockets(options: Options, output: Output) -> None:
    whom = targets.targets(options, default=None)
    with errors_as_exit_codes():
        page = fetch_sockets(
            whom.to, namespace=whom.namespace, order_by=_order(options), **_page(options)
        )
    if page.sockets:
        output.table(
            ("SID", "NAMESPACE", "USER", "TRANSPORT", "ADDRESS", "SINCE", "OUTBOX", "ROOMS"),
            [_socket_row(socket) for socket in page.sockets],
            right=("SINCE", "OUTBOX"),
        )
    _finish(page, len(page.sockets), "socket", output)


def _socket_row(socket: SocketInfo) -> tuple[str, ...]:
    # The user's own room is implied by the user.
    own = "" if socket.user is None else f"~{socket.user.model}:{socket.user.pk}"
    rooms = sorted((room for room in socket.rooms if room != own), key=_is_reserved)
    shown = ", ".join(rooms[:3]) + (f", {len(rooms) - 3} more" if len(rooms) > 3 else "")
    return (
        socket.sid,
        socket.namespace,
        "-" if socket.user is None else socket.user.name,
        socket.transport,
        socket.address or "-",
        age_text(socket.since),
        f"{socket.outbox_messages:,} / {size_text(socket.outbox_bytes)}",
        shown or "-",
    )


def _is_reserved(room: str) -> bool:
    return room.startswith(RESERVED)


sockets = Subcommand(
    name="sockets",
    help="List the sockets, on all nodes.",
    add_arguments=_add_socket_arguments,
    run=_run_sockets,
)
