"""The tables of a run of clusters, as Markdown that can be read in a terminal too."""

import textwrap
from collections.abc import Callable, Iterator

from tests.bench.cluster.catalogue import PEERS, STOCK
from tests.bench.cluster.placement import SHAPES, place, spread
from tests.bench.cluster.results import MICROSECONDS, Cost, Key, Results
from tests.bench.report import Table, lines, number, times

SHOWN = (
    ("near", "outside", "near rooms, emits from outside"),
    ("scattered", "outside", "scattered rooms, emits from outside"),
    ("near", "inside", "near rooms, emits by the nodes"),
    ("large", "outside", "one large room, emits from outside"),
)
_FLOODS = (("near", "near rooms"), ("large", "one large room"))


def markdown(results: Results, plot: str) -> str:
    """The page of a run, with the picture in the file `plot`."""
    picture = f"![Processor time of a node for an emit, by the number of nodes]({plot})"
    head = ["# Benchmark of clusters", "", *_about(results), "", picture, ""]
    return "\n".join([*head, *sections(results)])


def _about(results: Results) -> Iterator[str]:
    about = results.about
    start, end = about["load_average"]
    sockets = about["rooms"] * about["members"]
    yield f"{about['date']}, {about['machine']}; {about['repeats']} rounds of each phase."
    yield f"Load average {start} at the start and {end} at the end, this benchmark's own included."
    if about["quick"]:
        yield "**A quick run: it shows that everything works, and its figures mean nothing.**"
    if not about["pinned"]:
        yield "**Everything shared a core.**"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    yield ""
    yield f"{sockets:,} websockets over all nodes, under uvicorn, with one Redis. Each is in one"
    yield f"of {about['rooms']} near rooms, one of {about['rooms']} scattered ones, and the"
    yield f"large one that has all. A small room has {about['members']} members. A near one's are"
    yield "on one node but for one member of every second room; a scattered one's are anywhere."
    yield f"{about['rate']:g} emits a second to small rooms and {about['large_rate']:g} to the"
    yield "large one, the same for all peers. All nodes share one core; Redis, the load and the"
    yield "process that emits from outside have the other."


def sections(results: Results) -> Iterator[str]:
    yield f"{results.deliveries:,} deliveries were counted; {results.lost:,} that were due"
    yield "never came."
    yield ""
    for title, text, table in _SECTIONS:
        if title:
            yield f"## {title}"
            yield ""
        if text:
            yield textwrap.fill(" ".join(text.split()), 100)
            yield ""
        yield from lines(table(results))
        yield ""
    if results.failures:
        yield "## What failed"
        yield ""
        yield from (f"- {failure}" for failure in results.failures)
        yield ""


def _head(*first: str) -> list[str]:
    return [*first, *(peer.label for peer in PEERS.values())]


def _by_nodes(results: Results, figure: Callable[[Cost], float]) -> Table:
    table = [_head("", "nodes")]
    for shape, source, title in SHOWN:
        for nodes in results.nodes():
            cells = []
            for peer in PEERS:
                key = Key(peer=peer, nodes=nodes, shape=shape, source=source)
                cells.append(_compared(results, key, figure))
            table.append([title, str(nodes), *cells])
    return table


def _compared(results: Results, key: Key, figure: Callable[[Cost], float]) -> str:
    cost = results.cost(key)
    base = results.cost(Key(peer=STOCK.name, nodes=key.nodes, shape=key.shape, source=key.source))
    if cost is None:
        return number(None)
    text = number(figure(cost))
    if base is None or figure(base) <= 0:
        return text
    return f"{text} ({times(figure(cost) / figure(base))})"


def _traffic(results: Results) -> Table:
    table = [_head("", "nodes", "of which host the room")]
    members, rooms = results.about["members"], results.about["rooms"]
    for shape in SHAPES:
        for nodes in results.nodes():
            hosting = spread(place(nodes, rooms, members), shape)
            cells = []
            for peer in PEERS:
                cost = results.cost(Key(peer=peer, nodes=nodes, shape=shape, source="outside"))
                cells.append(
                    "–"
                    if cost is None
                    else f"{cost.commands:.1f}; {cost.received:,.0f} in, {cost.sent:,.0f} out"
                )
            table.append([shape, str(nodes), f"{hosting:.2f}", *cells])
    return table


def _floods(results: Results) -> Table:
    table = [_head("", "nodes")]
    for shape, title in _FLOODS:
        for nodes in results.nodes():
            base = results.rate(Key(peer=STOCK.name, nodes=nodes, shape=shape, source="flood"))
            cells = []
            for peer in PEERS:
                rate = results.rate(Key(peer=peer, nodes=nodes, shape=shape, source="flood"))
                ratio = f" ({times(rate / base)})" if rate and base else ""
                cells.append(number(rate) + ratio)
            table.append([title, str(nodes), *cells])
    return table


def _idle(results: Results) -> Table:
    table = [_head("nodes")]
    for nodes in results.nodes():
        cells = []
        for peer in PEERS:
            idle = results.idle(peer, nodes)
            if idle is None:
                cells.append("–")
                continue
            node = 1e3 * sum(idle.node) / nodes / idle.clock
            cells.append(f"{node:.2f}; {1e3 * sum(idle.redis) / idle.clock:.2f}")
        table.append([str(nodes), *cells])
    return table


def _sharded(results: Results) -> Table:
    table = [["", "nodes", "peer", "one host", "two hosts", "ratio", "mean of two"]]
    for nodes in results.nodes(hosts=2):
        for peer in PEERS.values():
            for shape in ("near", "scattered"):
                key = Key(peer=peer.name, nodes=nodes, shape=shape, source="outside")
                one = results.cost(key)
                two = results.cost(
                    Key(peer=peer.name, nodes=nodes, shape=shape, source="outside", hosts=2)
                )
                if one and two:
                    row = [f"{shape} rooms", str(nodes), peer.label, number(one.host)]
                    row += [number(two.host), times(two.host / one.host), number(two.redis / 2)]
                    table.append(row)
    return table


def footprints(results: Results) -> Table:
    """What a socket and a membership take."""
    table = [_head("")]
    found = [results.footprint(peer) for peer in PEERS]
    rows: tuple[tuple[str, Callable[..., float]], ...] = (
        ("KiB of a node for a socket in three rooms", lambda one: one.socket_bytes / 1024),
        ("bytes in Redis for a membership", lambda one: one.membership_bytes),
        ("µs of a node to join a group", lambda one: one.join_node * MICROSECONDS),
        ("µs of Redis for it", lambda one: one.join_redis * MICROSECONDS),
    )
    for title, figure in rows:
        values = (figure(one) if one else None for one in found)
        table.append([title, *(number(value or None) for value in values)])
    return table


def node_times(results: Results) -> Table:
    """Of a node for 1,000 emits."""
    return _by_nodes(results, lambda cost: cost.node)


def _all(results: Results) -> Table:
    return _by_nodes(results, lambda cost: cost.cluster + cost.sender + cost.redis)


def _redis(results: Results) -> Table:
    return _by_nodes(results, lambda cost: cost.redis)


NODE = """
Processor time of a node for 1,000 emits, in ms: the mean of the nodes, without what they take at
rest, in the best round; in brackets the ratio to python-socketio with as many nodes.
"""
_ALL = """
All nodes, the process that emits from outside, and Redis, for 1,000 emits, in ms.
"""
_TRAFFIC = """
For one emit from outside: commands, with those in scripts, and bytes in and out.
"""
_FLOOD = """
Emits a second that the nodes take from their clients, until all is answered and delivered. They
share one core: the figure would be the same everywhere if more nodes cost nothing.
"""
_REST = "Processor time in each second, in ms: of a node, and of Redis for all of them."
_HOSTS = "Processor time of the busiest host for 1,000 emits from outside, in ms."
#: Title, text and table; without a title a table belongs to the one before.
_SECTIONS: tuple[tuple[str, str, Callable[[Results], Table]], ...] = (
    ("A node", NODE, node_times),
    ("All processes", _ALL, _all),
    ("Redis", "Its processor time for 1,000 emits, in ms.", _redis),
    ("", _TRAFFIC, _traffic),
    ("As fast as they can", _FLOOD, _floods),
    ("At rest", _REST, _idle),
    ("Several Redis hosts", _HOSTS, _sharded),
    ("Memory and memberships", "", footprints),
)
