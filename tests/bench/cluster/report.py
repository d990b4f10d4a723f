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
    yield "`make bench-cluster` writes this page. It measures clusters of several processes, called"
    yield "nodes, beside python-socketio with its Redis manager."
    yield ""
    yield f"{about['date']}, {about['machine']}, {about['repeats']} rounds of each phase."
    yield f"The load average, benchmark included, was {start} at the start and {end} at the end."
    if about["quick"]:
        yield "**A quick run, which shows that everything works: its figures mean nothing.**"
    if not about["pinned"]:
        yield "**All processes shared a core.**"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    yield ""
    setup = _SETUP.format(sockets=sockets, **about)
    yield textwrap.fill(" ".join(setup.split()), 100)


def sections(results: Results) -> Iterator[str]:
    yield f"{results.deliveries:,} events were delivered, and {results.lost:,} were lost."
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


_SETUP = """
The nodes have {sockets:,} websockets in all, under uvicorn, with one Redis server. Each socket is
in one of {rooms} near rooms, in one of {rooms} scattered rooms, and in the large room, which has
all sockets. Small rooms have {members} members. Those of a near room are on one node, except that
every second room has one member on another node. Those of a scattered room are on random nodes. For
all peers, there are {rate:g} emits a second to small rooms and {large_rate:g} to the large one. All
nodes share one core. Redis, the load generator and the process that emits from outside share the
other.
"""
NODE = """
Processor time of a node for 1,000 emits, in ms: the mean of all nodes in the best round, minus the
time that they need when idle. In brackets: the ratio to python-socketio with as many nodes.
"""
_ALL = """
Processor time of all nodes, the process that emits from outside, and Redis together, for 1,000
emits, in ms.
"""
_TRAFFIC = """
The work of Redis for one emit from outside: commands, including those in scripts, and bytes
received and sent.
"""
_FLOOD = """
Emits a second that the nodes can handle from their clients, until everything is acknowledged and
delivered. All nodes share one core, so if additional nodes cost nothing, the figure would be the
same in each row.
"""
_REST = "Processor time a second without any emits, in ms: of one node, and of Redis for all nodes."
_HOSTS = "Processor time of the busiest host for 1,000 emits from outside, in ms."
#: Title, text and table; without a title a table belongs to the one before.
_SECTIONS: tuple[tuple[str, str, Callable[[Results], Table]], ...] = (
    ("A node", NODE, node_times),
    ("All processes", _ALL, _all),
    ("Redis", "Processor time of Redis for 1,000 emits, in ms.", _redis),
    ("", _TRAFFIC, _traffic),
    ("Maximum throughput", _FLOOD, _floods),
    ("When idle", _REST, _idle),
    ("Several Redis hosts", _HOSTS, _sharded),
    ("Memory and memberships", "", footprints),
)
