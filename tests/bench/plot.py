"""The plot of a run: for each figure a row, for each peer a mark at its ratio, as an SVG."""

import math
from collections.abc import Iterator
from html import escape

from tests.bench.catalogue import PEERS, Peer
from tests.bench.report import title
from tests.bench.results import Results

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 880, 250, 30, 30, 64
COLOURS = {"node": "#6b7280", "realtime": "#d9480f", "socketio": "#1c7ed6", "channels": "#2f9e44"}
_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.tick { font-size: 11px; text-anchor: middle; fill: #6b7280 }
.name { text-anchor: end }
.grid { stroke: #d1d5db; stroke-width: 1 }
.one { stroke: #6b7280; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb } .tick { fill: #9ca3af } .grid { stroke: #374151 } .one { stroke: #9ca3af }
}
"""


class Axis:
    """A logarithmic axis that holds all ratios: half is as far from 1 as double."""

    def __init__(self, ratios: list[float]) -> None:
        low, high = min([1.0, *ratios]) * 0.9, max([1.0, *ratios]) * 1.1
        self.ticks = [tick for tick in _TICKS if low <= tick <= high]
        self._low = math.log(low)
        self._scale = (_WIDTH - _LEFT - _RIGHT) / (math.log(high) - self._low)

    def at(self, ratio: float) -> float:
        return _LEFT + (math.log(ratio) - self._low) * self._scale


def svg(results: Results) -> str:
    ratios = [
        (row, peer, ratio.median)
        for row, figure in enumerate(results.figures)
        for peer in results.peers
        if (ratio := results.ratio((figure, peer), (figure, results.base))) is not None
    ]
    # Ours last, and so on top where marks overlap.
    ratios.sort(key=lambda ratio: PEERS[ratio[1]].family == "realtime")
    axis = Axis([ratio for *_, ratio in ratios])
    bottom = _TOP + _ROW * len(results.figures)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 44}" role="img">',
        f"<title>Cost of each peer, {escape(PEERS[results.base].label)} being 1</title>",
        f"<style>{STYLE}</style>",
        *_legend(results),
        *_grid(axis, bottom),
        *_names(results),
        *(_mark(PEERS[peer], axis.at(ratio), row, ratio) for row, peer, ratio in ratios),
        f'<text class="tick" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{bottom + 36}">processor time'
        f" (memory for the idle websocket), {escape(PEERS[results.base].label)} = 1; left is"
        " better</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(results: Results) -> Iterator[str]:
    for number, name in enumerate(results.peers):
        peer = PEERS[name]
        x, y = 20 + number % 4 * 215, 18 + number // 4 * 20
        yield _shape(peer, x, y, peer.label)
        yield f'<text x="{x + 10}" y="{y + 4}">{escape(peer.label)}</text>'


def _grid(axis: Axis, bottom: int) -> Iterator[str]:
    for tick in axis.ticks:
        x = round(axis.at(tick), 1)
        kind = "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{bottom + 16}">{tick:g}x</text>'


def _names(results: Results) -> Iterator[str]:
    for row, figure in enumerate(results.figures):
        y = _TOP + row * _ROW + _ROW // 2 + 4
        yield f'<text class="name" x="{_LEFT - 14}" y="{y}">{escape(title(figure))}</text>'


def _mark(peer: Peer, x: float, row: int, ratio: float) -> str:
    return _shape(peer, round(x, 1), _TOP + row * _ROW + _ROW // 2, f"{peer.label}: {ratio:.2f}x")


def _shape(peer: Peer, x: float, y: float, text: str) -> str:
    """A disc under Daphne, a ring under uvicorn, a diamond for Node."""
    colour = COLOURS[peer.family]
    inside = f"<title>{escape(text)}</title>"
    if peer.web == "node":
        return f'<path d="M{x} {y - 6}l6 6-6 6-6-6z" fill="{colour}">{inside}</path>'
    if peer.web == "daphne":
        return f'<circle cx="{x}" cy="{y}" r="5.5" fill="{colour}">{inside}</circle>'
    return (
        f'<circle cx="{x}" cy="{y}" r="4.5" fill="none" stroke="{colour}" stroke-width="2.5">'
        f"{inside}</circle>"
    )
