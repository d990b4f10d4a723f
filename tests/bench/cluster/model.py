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
These costs are fitted to the measured clusters of up to {FITTED} nodes. Times are processor time.
*n* is the number of nodes that have a member of the room; for python-socketio it is the number of
all nodes. A membership is a room on a node.
"""
_FORETOLD = f"""
Processor time in µs for an emit from outside, in all nodes together and in Redis. Each cell has the
model's prediction, and in brackets its difference from the measured value. Clusters of more than
{FITTED} nodes were not part of the fit, and neither was the time of Redis with the large room.
"""
_COUNTED = """
These simulated clusters check the formulas of the model. The rooms have five members. The columns
show how many nodes a room is on, and how many messages a node receives.
"""
_RHYTHMS = "Heartbeats, and the time until the other nodes notice that a node was killed:"
_QUEUES = """
Redis runs commands in a single thread. This table shows how long an emit waits for it, with
scattered rooms on 1,000 nodes, and with a small share of emits that go to all of them:
"""
_SIZES = f"""
The table assumes {SOCKETS:,} sockets on each node, each of them in one scattered room of {MEMBERS},
and one emit for each socket every {EVERY:g} s, sent by the nodes. There are enough Redis hosts to
keep each of them at most {BUSY:.0%} busy.
"""
_REDIS = "The load that this causes in Redis, in cores:"
_LIMITS = f"""
The number of emits a second in the whole cluster at which one Redis server, or each node, is
{BUSY:.0%} busy with emits, heartbeats and renewals. *None* means that it is that busy without any
emits.
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
