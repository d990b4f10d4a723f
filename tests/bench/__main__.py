"""`python -m tests.bench`: measure, print the tables, and write them with a plot."""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from tests.bench import about, plot, report
from tests.bench.catalogue import DEFAULT, PEERS, ROOT
from tests.bench.processes import LOAD_CORE, PINNED, BenchError, pin, raise_file_limit
from tests.bench.results import Results
from tests.bench.scenarios import SCENARIOS
from tests.bench.sizes import QUICK, Sizes

#: What takes a peer longer than this is measured once, not in each repeat. Seconds.
SLOW = 60.0


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    try:
        raise_file_limit(sizes.files)
        if "node" in options.peers:
            about.install_node_packages()
        results = _measure(options.only, options.peers, options.repeat, sizes)
    except BenchError as error:
        print(f"The benchmark can't run: {error}", file=sys.stderr)
        return 1
    print("\n".join(report.sections(results)))
    _write(results, options.output)
    return 1 if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: does it all work?")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="3 by default")
    parser.add_argument(
        "--only",
        type=_names(SCENARIOS),
        default=list(SCENARIOS),
        metavar="SCENARIO,...",
        help=", ".join(SCENARIOS),
    )
    parser.add_argument(
        "--peers",
        type=_names(PEERS),
        default=[peer.name for peer in DEFAULT],
        metavar="PEER,...",
        help=", ".join(PEERS),
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "benchmarks",
        metavar="FOLDER",
        help="where results.json, results.md and results.svg go",
    )
    return parser


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen

    return names


def _measure(scenarios: list[str], peers: list[str], repeats: int, sizes: Sizes) -> Results:
    if not PINNED:
        _say("only one core is allowed here: server and load share it, and nothing is pinned")
    pin(LOAD_CORE)
    gc.freeze()  # the load generator's own collector would show in the wall figures
    results = Results(about=about.about(peers, repeats, sizes is QUICK))
    for repeat in range(repeats):
        for scenario in scenarios:
            # Each repeat begins with another peer: a drift of the machine favours none.
            turn = repeat % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                if (scenario, peer) not in results.slow:
                    _run(results, scenario, peer, repeat, sizes)
    results.about["load_average"].append(about.load_average())
    return results


def _run(results: Results, scenario: str, peer: str, repeat: int, sizes: Sizes) -> None:
    begun = time.monotonic()
    try:
        for sample in SCENARIOS[scenario](PEERS[peer], sizes):
            results.add(peer, repeat, sample)
            _say(f"{repeat + 1}  {sample.figure:18}  {peer:24}  {sample.cost:10.2f}")
    except (BenchError, OSError, ValueError) as error:
        results.failures.append(f"{scenario} of {PEERS[peer].label}: {error}")
        _say(f"{repeat + 1}  {scenario:18}  {peer:24}  failed: {error}")
        for note in getattr(error, "__notes__", []):
            _say(note)
    if time.monotonic() - begun > SLOW:
        results.slow.append((scenario, peer))


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results.as_dict(), indent=1) + "\n")
    (folder / "results.svg").write_text(plot.svg(results))
    (folder / "results.md").write_text(report.markdown(results, "results.svg"))
    _say(f"written: {folder}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
