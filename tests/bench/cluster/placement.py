"""Which socket is on which node and in which rooms; the same for what is measured and simulated.

Each socket is in one room of each shape. Pure, and the same each time.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.peers import ROOM

SEED = 20_260_101
SHAPES = ("near", "scattered", "large")


@dataclass(frozen=True, kw_only=True)
class Client:
    """`rooms` has the name of its room for each shape."""

    node: int
    rooms: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Room:
    """`nodes` are those that host it: that have at least one member."""

    members: int
    nodes: frozenset[int]


def place(nodes: int, rooms: int, members: int) -> list[Client]:
    """Sockets in random order: `members` in each of `rooms` small rooms of both shapes.

    A near room is on one node, and every second one has a member on another. The members of a
    scattered room are anywhere, as a balancer puts them that knows no rooms. The large one has all.
    """
    dice = random.Random(SEED)
    seats = [
        (_neighbour(room, nodes) if member == 0 and room % 2 else room % nodes, room)
        for room in range(rooms)
        for member in range(members)
    ]
    dice.shuffle(seats)
    return [
        Client(
            node=node,
            rooms={"near": f"n{room:04}", "scattered": f"s{number % rooms:04}", "large": ROOM},
        )
        for number, (node, room) in enumerate(seats)
    ]


def _neighbour(room: int, nodes: int) -> int:
    # Not always the next one, so that each pair of nodes has rooms in common.
    return (room + 1 + room // nodes % max(nodes - 1, 1)) % nodes


def hosted(clients: Iterable[Client], shape: str) -> dict[str, Room]:
    """The rooms of a shape by name."""
    nodes: dict[str, list[int]] = {}
    for client in clients:
        nodes.setdefault(client.rooms[shape], []).append(client.node)
    return {name: Room(members=len(where), nodes=frozenset(where)) for name, where in nodes.items()}


def spread(clients: Iterable[Client], shape: str) -> float:
    """On how many nodes a room of the shape is, on average."""
    found = hosted(clients, shape).values()
    return sum(len(room.nodes) for room in found) / len(found)
