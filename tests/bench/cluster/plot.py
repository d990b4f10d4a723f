"""The plot of a run of clusters: processor time of a node for an emit, by the number of nodes."""

import math
from collections.abc import Iterator
from html import escape

from tests.bench.cluster.catalogue import PEERS
from tests.bench.cluster.results import Key, Results
from tests.bench.plot import STYLE

_COLOURS = {"realtime-core": "#d9480f", "realtime-pubsub": "#2f9e44", "socketio": "#1c7ed6"}
_PANELS = (
    ("near", "near rooms of 5"),
    ("scattered", "scattered rooms of 5"),
    ("large", "one large room"),
)
_PANEL, _HEIGHT, _LEFT, _TOP, _GAP = 240, 200, 60, 70, 60
_LINE = "fill: none; stroke-width: 2.5"


def svg(results: Results) -> str:
    width = _LEFT + len(_PANELS) * (_PANEL + _GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 50}"'
        ' role="img">',
        "<title>Processor time of a node for an emit, in microseconds</title>",
        f"<style>{STYLE}</style>",
        *_legend(),
    ]
    for number, (shape, title) in enumerate(_PANELS):
        lines += _panel(results, shape, title, _LEFT + number * (_PANEL + _GAP))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend() -> Iterator[str]:
    for number, peer in enumerate(PEERS.values()):
        x = _LEFT + number * 220
        yield f'<path d="M{x} 16h24" style="{_LINE}; stroke: {_COLOURS[peer.name]}"/>'
        yield f'<text x="{x + 30}" y="20">{escape(peer.label)}</text>'


def _panel(results: Results, shape: str, title: str, left: int) -> Iterator[str]:
    series = {peer: _series(results, peer, shape) for peer in PEERS}
    most = max((cost for points in series.values() for _, cost in points), default=1.0) or 1.0
    nodes = results.nodes() or [1]
    last = math.log2(max(nodes)) or 1.0
    bottom = _TOP + _HEIGHT

    def at(count: int, cost: float) -> tuple[float, float]:
        across = left + math.log2(count) / last * _PANEL
        return round(across, 1), round(bottom - max(cost, 0) / most * _HEIGHT, 1)

    yield f'<text x="{left}" y="{_TOP - 16}">{escape(title)}: µs of a node</text>'
    for share in (0.0, 0.5, 1.0):
        _, y = at(1, share * most)
        yield f'<line class="grid" x1="{left}" x2="{left + _PANEL}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{left - 24}" y="{y + 4}">{share * most:,.0f}</text>'
    for count in nodes:
        x, _ = at(count, 0)
        yield f'<text class="tick" x="{x}" y="{bottom + 18}">{count}</text>'
    yield f'<text class="tick" x="{left + _PANEL / 2}" y="{bottom + 36}">nodes</text>'
    for peer, points in series.items():
        path = " ".join(f"{x},{y}" for x, y in (at(*point) for point in points))
        style = f"{_LINE}; stroke: {_COLOURS[peer]}"
        yield f'<polyline points="{path}" style="{style}"><title>{peer}</title></polyline>'


def _series(results: Results, peer: str, shape: str) -> list[tuple[int, float]]:
    costs = (
        (nodes, results.cost(Key(peer=peer, nodes=nodes, shape=shape, source="outside")))
        for nodes in results.nodes()
    )
    return [(nodes, cost.node) for nodes, cost in costs if cost is not None]
