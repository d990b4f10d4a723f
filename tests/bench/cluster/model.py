"""`python -m tests.bench.cluster.model`: the model of docs/scaling.md, from the measured figures.

It prints what the page has between its marks; `--write` puts it there.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator

from tests.bench.catalogue import ROOT
from tests.bench.cluster import tables
from tests.bench.cluster.catalogue import PEERS
from tests.bench.cluster.costs import fitted, points
from tests.bench.cluster.demand import BUSY, Demand, Fleet, demand
from tests.bench.cluster.report import NODE, footprints, node_times
from tests.bench.cluster.results import Results
from tests.bench.report import lines

RESULTS = ROOT / "docs" / "benchmarks" / "cluster" / "results.json"
PAGE = ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- begin: model -->\n", "<!-- end: model -->\n"
#: The largest cluster that the costs are fitted to; larger ones show how well it predicts.
FITTED = 4
#: What the table of sizes is for: sockets of a node, members of a room, and seconds from one emit
#: to the next for each socket.
SOCKETS, MEMBERS, EVERY = 10_000, 5, 100.0
NODES = (10, 100, 1_000)

_COSTS = f"""
Fitted to the measured clusters of up to {FITTED} nodes; times are processor time. *n* is the number
of nodes on which the room has a member, for python-socketio the number of all nodes. A membership
is a room on a node.
"""
_FORETOLD = f"""
µs for an emit from outside, of all nodes together and of Redis: what the model says, and in
brackets how far that is from what was measured. Clusters of more than {FITTED} nodes were not part
of the fit, nor was Redis with the large room.
"""
_COUNTED = """
Simulated clusters with rooms of five: how many nodes a room is on, and what a node hears.
"""
_RHYTHMS = "Heartbeats, and how soon the others know that a node was killed:"
_QUEUES = """
Redis is one thread. How long an emit waits for it, with scattered rooms on 1,000 nodes and with a
few emits that go to all of them:
"""
_SIZES = f"""
{SOCKETS:,} sockets on each node, each in one room of {MEMBERS} whose members are anywhere; one
emit for each socket every {EVERY:g} s, by the nodes; a Redis host is {BUSY:.0%} busy at most.
"""
_REDIS = "How busy that keeps Redis, in cores:"
_LIMITS = f"""
Emits a second, of the whole cluster, at which one Redis, or each node, is {BUSY:.0%} busy with
them, with heartbeats and with renewals. *None*: it is that busy without any emit.
"""


class Model:
    """The costs of each peer, by a run of the benchmark."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.points = {peer: points(results, peer) for peer in PEERS}
        self.costs = {
            peer: fitted([point for point in found if point.nodes <= FITTED])
            for peer, found in self.points.items()
        }

    def demand(self, peer: str, nodes: int, rate: float | None) -> Demand:
        """Of a cluster of the table of sizes; `rate` in emits a second, by default its own."""
        footprint = self.results.footprint(peer)
        if footprint is None:
            raise ValueError(f"the results have no memory of {peer}: run `make bench-cluster`")
        sockets = nodes * SOCKETS
        rate = sockets / EVERY if rate is None else rate
        fleet = Fleet(nodes=nodes, sockets=sockets, members=MEMBERS, rate=rate)
        return demand(fleet, peer, self.costs[peer], footprint)

    def text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "### Measured\n"
        yield from _part(NODE, node_times(self.results))
        yield "### Costs\n"
        yield from _part(_COSTS, [*tables.costs(self.costs), *footprints(self.results)[1:]])
        yield "### Predicted and measured\n"
        yield from _part(_FORETOLD, tables.errors(self.points, self.costs))
        yield "### Counted and computed\n"
        yield from _part(_COUNTED, tables.counted())
        yield from _part(_RHYTHMS, tables.rhythms())
        yield from _part(_QUEUES, tables.queues(self.costs))
        yield "### What a cluster of each size needs\n"
        yield from _part(_SIZES, tables.sizes(self.demand, NODES, SOCKETS))
        yield from _part(_REDIS, tables.redis(self.demand, NODES))
        yield "### What reaches its limit first\n"
        yield from _part(_LIMITS, tables.limits(self.demand, NODES))


def _part(text: str, table: tables.Table) -> Iterator[str]:
    yield textwrap.fill(" ".join(text.split()), 118)
    yield ""
    yield from lines(table)
    yield ""


def load() -> Model:
    return Model(Results.of_dict(json.loads(RESULTS.read_text())))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.cluster.model", description=__doc__
    )
    parser.add_argument("--write", action="store_true", help="put it into docs/scaling.md")
    text = load().text() if not parser.parse_args(arguments).write else write()
    print(text, end="")
    return 0


def write() -> str:
    """Put the model into the page."""
    text = load().text()
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    return text


if __name__ == "__main__":
    sys.exit(main())
