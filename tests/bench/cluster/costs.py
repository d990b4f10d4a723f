"""The model: what an emit, a membership and a beat cost, fitted to measured clusters. Pure.

Everything is linear in how many nodes have a member of the room (`spread`) and how many members the
room has. With python-socketio every node hears every emit, so its spread is the number of nodes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.cluster.catalogue import STOCK
from tests.bench.cluster.placement import SHAPES, hosted, place, spread
from tests.bench.cluster.results import Cost, Key, Results


@dataclass(frozen=True, kw_only=True)
class Line:
    """`base + step * x`."""

    base: float
    step: float

    def at(self, x: float) -> float:
        return self.base + self.step * x


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one peer. Times in microseconds of processor time, sizes in bytes.

    `sender`, `redis`, `commands`, `received` and `sent` are of an emit, by its spread; `hear` is of
    a message in a node that hears it, and `deliver` of each member that gets it there.
    """

    sender: Line
    hear: float
    deliver: float
    redis: Line
    commands: Line
    received: Line
    sent: Line

    def nodes(self, spread: float, members: float) -> float:
        """All nodes together, for one emit."""
        return self.hear * spread + self.deliver * members


@dataclass(frozen=True, kw_only=True)
class Point:
    """What an emit from outside cost in a measured cluster."""

    nodes: int
    shape: str
    spread: float
    members: float
    cost: Cost


def points(results: Results, peer: str) -> list[Point]:
    found = []
    for nodes in results.nodes():
        clients = place(nodes, results.about["rooms"], results.about["members"])
        for shape in SHAPES:
            cost = results.cost(Key(peer=peer, nodes=nodes, shape=shape, source="outside"))
            if cost is not None:
                hearing = nodes if peer == STOCK.name else spread(clients, shape)
                members = len(clients) / len(hosted(clients, shape))
                point = Point(nodes=nodes, shape=shape, spread=hearing, members=members, cost=cost)
                found.append(point)
    return found


def fitted(found: Sequence[Point]) -> Costs:
    """The costs that fit these points best, each point's relative error counting the same."""
    hear, deliver = fit_two((point.spread, point.members, point.cost.cluster) for point in found)

    # The few emits to the large room leave too little in Redis and the sender to tell from noise.
    small = [point for point in found if point.shape != "large"]

    def line(name: str) -> Line:
        values = ((1.0, point.spread, getattr(point.cost, name)) for point in small)
        base, step = fit_two(values)
        return Line(base=base, step=step)

    return Costs(
        sender=line("sender"),
        hear=hear,
        deliver=deliver,
        redis=line("redis"),
        commands=line("commands"),
        received=line("received"),
        sent=line("sent"),
    )


def fit_two(rows: Iterable[tuple[float, float, float]]) -> tuple[float, float]:
    """The a and b with the least squares of `(a * x + b * y) / z - 1`, neither negative."""
    xx = xy = yy = x_sum = y_sum = 0.0
    for x, y, z in rows:
        if z <= 0:  # less than noise
            continue
        x, y = x / z, y / z
        xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
        x_sum, y_sum = x_sum + x, y_sum + y
    determinant = xx * yy - xy * xy
    if determinant < 1e-12 * xx * yy:  # one kind of point only: all of it is the first's
        return x_sum / xx, 0.0
    a = (x_sum * yy - y_sum * xy) / determinant
    b = (y_sum * xx - x_sum * xy) / determinant
    # Nothing takes less than no time; what noise says against it goes to the other.
    return (0.0, y_sum / yy) if a < 0 else (x_sum / xx, 0.0) if b < 0 else (a, b)
