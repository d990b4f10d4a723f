"""The model's tables, from the costs, the demands and the simulations."""

import random
from collections.abc import Callable

from realtime.cluster.beats import LEASE
from tests.bench.cluster import simulation
from tests.bench.cluster.catalogue import CORE, PEERS, PUBSUB, STOCK
from tests.bench.cluster.costs import Costs, Line, Point
from tests.bench.cluster.demand import BUSY, Demand, beat_interval, scattered
from tests.bench.cluster.placement import SHAPES
from tests.bench.cluster.results import MICROSECONDS
from tests.bench.report import Table, number

LABELS = [peer.label for peer in PEERS.values()]
_LINES: dict[str, Callable[[Costs], Line]] = {
    "µs of the sender": lambda costs: costs.sender,
    "µs of Redis": lambda costs: costs.redis,
    "commands of Redis": lambda costs: costs.commands,
    "bytes into Redis": lambda costs: costs.received,
    "bytes out of Redis": lambda costs: costs.sent,
}
#: A simulated cluster: nodes, small rooms, and emits; enough rooms that chance evens out.
_SIMULATED = ((8, 2_000), (100, 10_000), (1_000, 20_000))
_EMITS, _MEMBERS, _HOSTS = 20_000, 5, 4


def costs(found: dict[str, Costs]) -> Table:
    table = [["", *LABELS]]
    for title, line in _LINES.items():
        table.append([title, *(_line(line(one)) for one in found.values())])
    table.insert(2, ["µs of a node that hears it", *(number(one.hear) for one in found.values())])
    delivering = (number(one.deliver) for one in found.values())
    table.insert(3, ["µs of it for each member there", *delivering])
    return table


def _line(line: Line) -> str:
    # What a fit of noise leaves of nothing is nothing.
    step = line.step if abs(line.step) > 0.02 * abs(line.base) else 0.0
    return f"{number(line.base)} + {number(step)} n" if step else number(line.base)


def errors(points: dict[str, list[Point]], found: dict[str, Costs]) -> Table:
    table = [["", "nodes", *(f"{label}: {what}" for label in LABELS for what in _FORETOLD)]]
    for index, first in enumerate(points[CORE.name]):
        row = [first.shape, str(first.nodes)]
        for peer in PEERS:
            row += _foretold(points[peer][index], found[peer])
        table.append(row)
    return table


_FORETOLD = ("nodes", "Redis")


def _foretold(point: Point, cost: Costs) -> list[str]:
    pairs = (
        (cost.nodes(point.spread, point.members), point.cost.cluster),
        (cost.redis.at(point.spread), point.cost.redis),
    )
    return [
        f"{number(said)} ({said / measured - 1:+.0%})" if measured > 0 else number(said)
        for said, measured in pairs
    ]


def counted() -> Table:
    head = ["", "nodes", "nodes of a room", "computed", "heard by a node, an emit", "computed"]
    table = [[*head, "the busiest node", "the busiest of four Redis"]]
    for nodes, rooms in _SIMULATED:
        for shape in SHAPES:
            found = simulation.emits(nodes, rooms, _MEMBERS, shape, _HOSTS, _emits(shape))
            spread = closed_spread(nodes, shape)
            row = [shape, f"{nodes:,}", f"{found.spread:.2f}", f"{spread:.2f}"]
            row += [f"{found.heard:.4f}", f"{spread / nodes:.4f}"]
            row += [f"{found.busiest / found.heard:.2f}x", f"{found.host:.0%}"]
            table.append(row)
    return table


def _emits(shape: str) -> int:
    return 100 if shape == "large" else _EMITS


def closed_spread(nodes: int, shape: str) -> float:
    """On how many nodes a room is, by formula."""
    if shape == "near":
        return 1.5 if nodes > 1 else 1.0
    return float(nodes) if shape == "large" else scattered(nodes, _MEMBERS)


def rhythms() -> Table:
    head = ["nodes", "s between beats", "beats heard by a node, /s", "computed"]
    table = [[*head, "s until a killed node is gone: least, mean, most", "mean, computed"]]
    for nodes in (10, 50, 100, 1_000):
        interval = beat_interval(nodes)
        heard = simulation.heartbeats(nodes, interval, 100 * interval)
        least, mean, most = simulation.detection(interval, 10_000)
        row = [f"{nodes:,}", f"{interval:g}", f"{heard:.1f}", f"{nodes / interval:.1f}"]
        row += [f"{least:.1f}, {mean:.1f}, {most:.1f}", f"{LEASE * interval:.1f}"]
        table.append(row)
    return table


def queues(found: dict[str, Costs]) -> Table:
    table = [["", "emits to all of 1,000 nodes", "busy", "computed", "mean wait, ms", "computed"]]
    for peer in (CORE, PUBSUB):
        for share in (0.0, 0.001):
            for busy in (0.3, BUSY, 0.9):
                table.append([peer.label, f"{share:.1%}", *_queue(found[peer.name], share, busy)])
    return table


def _queue(cost: Costs, share: float, busy: float) -> list[str]:
    """Against Pollaczek and Khinchine's formula for one server and random arrivals."""
    small = cost.redis.at(scattered(1_000, _MEMBERS)) / MICROSECONDS
    large = cost.redis.at(1_000) / MICROSECONDS
    mean = (1 - share) * small + share * large
    square = (1 - share) * small**2 + share * large**2
    rate = busy / mean

    def service(dice: random.Random) -> float:
        return large if dice.random() < share else small

    simulated, wait = simulation.queue(rate, service, 100_000)
    computed = rate * square / (2 * (1 - busy))
    return [f"{simulated:.0%}", f"{busy:.0%}", number(1e3 * wait), number(1e3 * computed)]


Demands = Callable[[str, int, float | None], Demand]


def sizes(needs: Demands, nodes: tuple[int, ...], sockets: int) -> Table:
    head = ["", "nodes", "sockets", "messages heard by a node, /s", "a node's core", "Redis hosts"]
    head += ["MiB of a node", "MiB of Redis", "s to join all anew: a node, Redis in all"]
    table = [head]
    for peer in PEERS.values():
        for count in nodes:
            need = needs(peer.name, count, None)
            hosts = "can't share" if peer == STOCK and need.hosts > 1 else f"{need.hosts:,}"
            row = [peer.label, f"{count:,}", f"{count * sockets:,}", number(need.heard)]
            row += [f"{need.node:.0%}", hosts, number(need.node_bytes / 2**20)]
            row += [number(need.redis_bytes / 2**20)]
            row += [f"{number(need.rejoin_node)}, {number(need.rejoin_redis)}"]
            table.append(row)
    return table


def redis(needs: Demands, nodes: tuple[int, ...]) -> Table:
    table = [["", "nodes", "emits", "heartbeats", "renewals"]]
    for peer in PEERS.values():
        for count in nodes:
            need = needs(peer.name, count, None)
            shares = (need.redis_emits, need.redis_beats, need.redis_renewals)
            table.append([peer.label, f"{count:,}", *(f"{share:.3f}" for share in shares)])
    return table


def limits(needs: Demands, nodes: tuple[int, ...]) -> Table:
    what = ("one Redis", "the nodes")
    table = [["nodes", *(f"{label}: {which}" for label in LABELS for which in what)]]
    for count in nodes:
        row = [f"{count:,}"]
        for peer in PEERS:
            rest, more = needs(peer, count, 0.0), needs(peer, count, 1_000.0)
            row.append(_limit(rest.redis, more.redis))
            row.append(_limit(rest.node, more.node))
        table.append(row)
    return table


def _limit(rest: float, with_a_thousand: float) -> str:
    if rest >= BUSY:
        return "none"
    return number(1_000 * (BUSY - rest) / (with_a_thousand - rest))
