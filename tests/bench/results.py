"""What a run found: medians, and ratios of what was measured in the same repeat."""

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.scenarios import Sample


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Over the repeats: the median and both ends."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """A line of the table of figures that the project set itself: a ratio, and its upper bounds."""

    text: str
    of: tuple[str, str]
    to: tuple[str, str]
    must: float
    worth: float | None = None


def _target(
    text: str, figure: str, peer: str, base: str, must: float, worth: float | None = None
) -> Target:
    return Target(text=text, of=(figure, peer), to=(figure, base), must=must, worth=worth)


def _growth(text: str, large: str, small: str, peer: str, must: float) -> Target:
    return Target(text=text, of=(large, peer), to=(small, peer), must=must)


TARGETS = (
    _target("fan-out to 1,000, Daphne / Node", "fanout-1000", "realtime-daphne", "node", 0.9, 0.75),
    _target(
        "fan-out to 1,000, uvicorn / Node", "fanout-1000", "realtime-uvicorn", "node", 0.75, 0.62
    ),
    _target(
        "fan-out to 1,000 / python-socketio, both on Daphne",
        *("fanout-1000", "realtime-daphne", "socketio-daphne"),
        *(1 / 8, 1 / 10),
    ),
    _growth(
        "a delivery at 3,000 / at 100, Daphne", "fanout-3000", "fanout-100", "realtime-daphne", 1.6
    ),
    _growth(
        "a delivery at 3,000 / at 100, uvicorn",
        *("fanout-3000", "fanout-100", "realtime-uvicorn", 1.6),
    ),
    _target("event with ack, Daphne / Node", "echo", "realtime-daphne", "node", 1.4),
    _target("event with ack, uvicorn / Node", "echo", "realtime-uvicorn", "node", 1.2),
    _target(
        "event with ack / python-socketio, both on Daphne",
        *("echo", "realtime-daphne", "socketio-daphne", 0.2),
    ),
    _target(
        "event with ack / python-socketio, both on uvicorn",
        *("echo", "realtime-uvicorn", "socketio-uvicorn", 0.3),
    ),
    _target(
        "memory of an idle websocket / python-socketio, both on Daphne",
        *("memory-3000", "realtime-daphne", "socketio-daphne", 0.8, 0.65),
    ),
    _target(
        "memory of an idle websocket / python-socketio, both on uvicorn",
        *("memory-3000", "realtime-uvicorn", "socketio-uvicorn", 0.8, 0.65),
    ),
    # Linear is 1.0; the rest is what such measurements scatter.
    _growth(
        "a disconnect of 5,000 / of 1,250 at once, Daphne",
        *("disconnect-5000", "disconnect-1250", "realtime-daphne", 1.25),
    ),
    _growth(
        "a disconnect of 5,000 / of 1,250 at once, uvicorn",
        *("disconnect-5000", "disconnect-1250", "realtime-uvicorn", 1.25),
    ),
)


@dataclass
class Results:
    """All samples of a run by figure, peer and repeat."""

    about: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    #: Scenarios that a peer was given only once, because it took too long.
    slow: list[tuple[str, str]] = field(default_factory=list)
    _samples: dict[tuple[str, str], dict[int, Sample]] = field(default_factory=dict)

    def add(self, peer: str, repeat: int, sample: Sample) -> None:
        self._samples.setdefault((sample.figure, peer), {})[repeat] = sample

    @property
    def figures(self) -> list[str]:
        return list(dict.fromkeys(figure for figure, _ in self._samples))

    @property
    def peers(self) -> list[str]:
        """In the order in which they were asked for."""
        measured = {peer for _, peer in self._samples}
        return [peer for peer in self.about["peers"] if peer in measured]

    @property
    def base(self) -> str:
        """The peer that the others are compared with: Node where it was measured."""
        return self.peers[0] if "node" not in self.peers else "node"

    def cost(self, figure: str, peer: str) -> float | None:
        return _median(sample.cost for sample in self._of(figure, peer).values())

    def wall(self, figure: str, peer: str) -> float | None:
        return _median(sample.wall for sample in self._of(figure, peer).values())

    def load(self, figure: str, peer: str) -> float | None:
        """How busy the load generator was: near 1, the wall figure is its limit."""
        return _median(sample.load for sample in self._of(figure, peer).values())

    def ratio(self, of: tuple[str, str], to: tuple[str, str]) -> Ratio | None:
        """The cost of one figure and peer to that of another, each repeat by itself."""
        above, below = self._of(*of), self._of(*to)
        ratios = [above[n].cost / below[n].cost for n in above.keys() & below.keys()]
        if not ratios:
            return None
        return Ratio(median=statistics.median(ratios), low=min(ratios), high=max(ratios))

    def as_dict(self) -> dict[str, Any]:
        return {
            "about": self.about,
            "failures": self.failures,
            "slow": self.slow,
            "ratios": [
                {"figure": figure, "peer": peer, "to": self.base, **asdict(ratio)}
                for figure in self.figures
                for peer in self.peers
                if (ratio := self.ratio((figure, peer), (figure, self.base))) is not None
            ],
            "samples": [
                {"peer": peer, "repeat": repeat, **asdict(sample)}
                for (_, peer), repeats in self._samples.items()
                for repeat, sample in sorted(repeats.items())
            ],
        }

    def _of(self, figure: str, peer: str) -> dict[int, Sample]:
        return self._samples.get((figure, peer), {})


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
