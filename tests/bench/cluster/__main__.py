"""`python -m tests.bench.cluster`: measure, print the tables, and write them with a plot."""

import argparse
import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench import about
from tests.bench.catalogue import ROOT, Peer
from tests.bench.cluster import plot, report
from tests.bench.cluster.catalogue import CORE, PEERS, PUBSUB, QUICK, Sizes
from tests.bench.cluster.phases import measure
from tests.bench.cluster.results import Footprint, Results
from tests.bench.processes import LOAD_CORE, PINNED, BenchError, pin, raise_file_limit


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    try:
        raise_file_limit(sizes.files)
    except BenchError as error:
        print(f"The benchmark can't run: {error}", file=sys.stderr)
        return 1
    results = _measure(sizes, options.quick)
    print("\n".join(report.sections(results)))
    _write(results, options.output)
    return 1 if results.failures or results.lost else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: does it all work?")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "benchmarks" / "cluster",
        metavar="FOLDER",
        help="where results.json, results.md and results.svg go",
    )
    return parser


def _clusters(sizes: Sizes) -> Iterator[tuple[Peer, int, int]]:
    """Peer, nodes and Redis hosts; with so many nodes each peer has its turn."""
    for nodes in sizes.nodes:
        for peer in PEERS.values():
            yield peer, nodes, 1
    for peer in (CORE, PUBSUB):
        yield peer, sizes.sharded, sizes.hosts


def _measure(sizes: Sizes, quick: bool) -> Results:
    if not PINNED:
        _say("only one core is allowed here: everything shares it, and nothing is pinned")
    pin(LOAD_CORE)
    gc.freeze()  # the load generator's own collector would show in the wall figures
    results = Results(about=about.about(list(PEERS), sizes.rounds, quick))
    results.about |= {"rooms": sizes.rooms, "members": sizes.members, "rate": sizes.rate}
    results.about |= {"large_rate": sizes.large_rate}
    for peer, nodes, hosts in _clusters(sizes):
        try:
            for found in measure(peer, nodes, hosts, sizes):
                results.add(found)
                if not isinstance(found, Footprint):
                    _say(f"{peer.name:16} {nodes} {hosts}  {found.source:8} {found.shape}")
        except (BenchError, OSError, ValueError) as error:
            results.failures.append(f"{peer.label}, {nodes} nodes, {hosts} Redis: {error}")
            _say("\n".join([str(error), *getattr(error, "__notes__", [])]))
    results.about["load_average"].append(about.load_average())
    return results


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results.as_dict()) + "\n")
    (folder / "results.svg").write_text(plot.svg(results))
    (folder / "results.md").write_text(report.markdown(results, "results.svg"))
    _say(f"written: {folder}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
