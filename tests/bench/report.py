"""The tables of a run, as Markdown that can be read in a terminal too."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.catalogue import PEERS
from tests.bench.results import TARGETS, Ratio, Results, Target

Table = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a figure is named, what its cost is in, and what its wall figure is."""

    title: str
    unit: str
    wall: str = ""


_KINDS = {
    "fanout": Kind(title="fan-out to {}", unit="µs a delivery", wall="deliveries/s"),
    "echo": Kind(title="event with ack", unit="µs an event", wall="events/s"),
    "connect-websocket": Kind(title="connect by websocket", unit="µs a connect", wall="connects/s"),
    "connect-polling": Kind(
        title="connect by polling and upgrade", unit="µs a connect", wall="connects/s"
    ),
    "connect-login": Kind(
        title="connect of a logged-in client", unit="µs a connect", wall="connects/s"
    ),
    "memory": Kind(title="idle websocket, of {}", unit="KiB a socket"),
    "echo-offered": Kind(
        title="event with ack, compression offered", unit="µs an event", wall="events/s"
    ),
    "offered": Kind(title="idle websocket, compression offered, of {}", unit="KiB a socket"),
    "disconnect": Kind(
        title="disconnect of {} at once", unit="µs a socket", wall="s until all had left"
    ),
    "redis": Kind(
        title="emit through Redis to {}", unit="µs an emit", wall="ms until the last had it"
    ),
    "worker": Kind(title="the same in the process that emits", unit="µs an emit"),
}


def title(figure: str) -> str:
    return _describe(figure)[0]


def _describe(figure: str) -> tuple[str, Kind]:
    if figure in _KINDS:
        return _KINDS[figure].title, _KINDS[figure]
    name, _, size = figure.rpartition("-")
    return _KINDS[name].title.format(f"{int(size):,}"), _KINDS[name]


def markdown(results: Results, plot: str) -> str:
    """The page of a run, with the picture in the file `plot`."""
    return "\n".join(
        [
            "# Benchmark",
            "",
            *_about(results),
            "",
            f"![Processor time of each peer as a ratio]({plot})",
            "",
            *sections(results),
        ]
    )


def sections(results: Results) -> Iterator[str]:
    base = PEERS[results.base].label
    yield "## Processor time and memory"
    yield ""
    yield "Processor time and memory of the server alone, as counted by the operating system. In"
    yield f"brackets: the ratio to {base}. Figures are medians of all repeats, and each ratio is"
    yield "computed within one repeat."
    yield ""
    yield from lines(_costs(results))
    yield ""
    yield "## Wall-clock time"
    yield ""
    yield "The server has one core, and the load generator the other. A star marks figures that the"
    yield "load generator may have limited, because it was busy for at least 90% of the time."
    yield ""
    yield from lines(_walls(results))
    targets = _targets(results)
    if len(targets) > 1:
        yield ""
        yield "## The project's own targets"
        yield ""
        yield from lines(targets)
    if results.slow:
        yield ""
        yield "Measured only once, because it took longer than a minute:"
        yield (
            ", ".join(f"{scenario} of {PEERS[peer].label}" for scenario, peer in results.slow) + "."
        )
    if results.failures:
        yield ""
        yield "## What failed"
        yield ""
        yield from (f"- {failure}" for failure in results.failures)
    yield ""


def _about(results: Results) -> Iterator[str]:
    about = results.about
    start, end = about["load_average"]
    yield "`make bench` writes this page. It measures realtime beside its peers, in the same run"
    yield "and on the same machine."
    yield ""
    repeats = "1 repeat" if about["repeats"] == 1 else f"{about['repeats']} repeats"
    yield f"{about['date']}, {about['machine']}, {repeats}. In each repeat, the peers take turns."
    yield f"The load average, benchmark included, was {start} at the start and {end} at the end."
    if about["quick"]:
        yield "**A quick run, which shows that everything works: its figures mean nothing.**"
    if not about["pinned"]:
        yield "**The server and the load generator shared a core.**"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."


def _costs(results: Results) -> Table:
    table = [_header(results)]
    for figure in results.figures:
        name, kind = _describe(figure)
        row = [f"{name}, {kind.unit}"]
        for peer in results.peers:
            cost = results.cost(figure, peer)
            ratio = results.ratio((figure, peer), (figure, results.base))
            row.append(number(cost) + (f" ({times(ratio.median)})" if ratio else ""))
        table.append(row)
    return table


def _walls(results: Results) -> Table:
    table = [_header(results)]
    for figure in results.figures:
        name, kind = _describe(figure)
        if kind.wall:
            cells = [
                number(results.wall(figure, peer))
                + ("*" if (results.load(figure, peer) or 0) >= 0.9 else "")
                for peer in results.peers
            ]
            table.append([f"{name}, {kind.wall}", *cells])
    return table


def _targets(results: Results) -> Table:
    table = [["figure", "ratio", "over the repeats", "must reach", "worth trying for", ""]]
    for target in TARGETS:
        ratio = results.ratio(target.of, target.to)
        if ratio is not None:
            spread = f"{times(ratio.low)} to {times(ratio.high)}"
            worth = "" if target.worth is None else times(target.worth)
            table.append([target.text, times(ratio.median), spread, times(target.must), worth])
            table[-1].append(_verdict(target, ratio))
    return table


def _verdict(target: Target, ratio: Ratio) -> str:
    if target.worth is not None and ratio.median <= target.worth:
        return "better"
    return "reached" if ratio.median <= target.must else "missed"


def _header(results: Results) -> list[str]:
    return ["", *(PEERS[peer].label for peer in results.peers)]


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def lines(table: Table) -> Iterator[str]:
    widths = [max(3, *map(len, column)) for column in zip(*table, strict=True)]
    for index, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if index == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"
