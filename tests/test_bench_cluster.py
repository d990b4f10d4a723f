"""The benchmark of clusters works from one end to the other, and its model counts what happens."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.catalogue import ROOT
from tests.bench.cluster import model, simulation, tables
from tests.bench.cluster.catalogue import PEERS, QUICK
from tests.bench.cluster.costs import fit_two
from tests.bench.cluster.phases import PHASES
from tests.bench.cluster.placement import place, spread
from tests.bench.cluster.results import Results

#: The run starts two dozen processes, one after another.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "tests.bench.cluster", "--quick", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def results(folder: Path) -> Results:
    return Results.of_dict(json.loads((folder / "results.json").read_text()))


@pytest.mark.redis
def test_run_delivers_every_emit_of_each_phase_to_each_member(results: Results) -> None:
    sockets = QUICK.rooms * QUICK.members
    assert results.lost == 0
    for sample in results.samples:
        members = {"large": sockets, "none": 0}.get(sample.shape, QUICK.members)
        assert sample.deliveries == sample.emits * members


@pytest.mark.redis
def test_run_takes_each_peer_through_each_phase(results: Results) -> None:
    of_one_host = [sample for sample in results.samples if sample.hosts == 1]
    measured = Counter((one.peer, one.shape, one.source) for one in of_one_host)
    phases = [(phase.shape, phase.source) for phase in PHASES]
    wanted = [*phases, ("none", "idle")]
    assert measured == Counter((peer, *phase) for peer in PEERS for phase in wanted)


@pytest.mark.redis
def test_page_says_that_a_quick_run_means_nothing(folder: Path) -> None:
    assert "its figures mean nothing" in (folder / "results.md").read_text()
    assert (folder / "results.svg").read_text().startswith("<svg")


def test_documentation_has_the_model_of_the_measured_figures() -> None:
    page = model.PAGE.read_text()
    said = page.partition(model.BEGIN)[2].partition(model.END)[0]
    assert said.strip() == model.load().text().strip(), "make bench-cluster writes it"


@pytest.mark.parametrize("shape", ["near", "scattered", "large"])
@pytest.mark.parametrize("nodes", [2, 8, 100])
def test_simulated_emits_are_heard_as_the_formula_says(nodes: int, shape: str) -> None:
    counted = simulation.emits(nodes, 2_000, 5, shape, hosts=4, count=2_000)
    assert counted.spread == pytest.approx(tables.closed_spread(nodes, shape), rel=0.03)


def test_room_is_on_one_node_where_there_is_one() -> None:
    clients = place(1, 10, 5)
    assert [spread(clients, shape) for shape in ("near", "scattered", "large")] == [1, 1, 1]


def test_fit_finds_the_costs_that_its_points_were_made_of() -> None:
    rows = [(x, y, 3 * x + 5 * y) for x, y in [(1.0, 5.0), (2.0, 5.0), (8.0, 2_000.0)]]
    assert fit_two(rows) == pytest.approx((3, 5))
