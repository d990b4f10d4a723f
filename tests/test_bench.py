"""The benchmark works from one end to the other; what it measures is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.catalogue import ROOT

PEERS = ["realtime-uvicorn", "socketio-uvicorn"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "tests.bench", "--quick", "--repeat", "2", "--only", "echo"]
    options = ["--peers", ",".join(PEERS), "--output", str(output)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "event with ack" in done.stdout
    return output


def test_results_hold_each_peer_in_each_repeat(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    measured = [(sample["peer"], sample["repeat"]) for sample in results["samples"]]
    assert sorted(measured) == [(peer, repeat) for peer in PEERS for repeat in (0, 1)]
    assert all(sample["cost"] > 0 for sample in results["samples"])


def test_ratios_are_to_the_first_peer_where_node_is_left_out(folder: Path) -> None:
    ratios = json.loads((folder / "results.json").read_text())["ratios"]
    assert [(ratio["peer"], ratio["to"]) for ratio in ratios] == [
        ("realtime-uvicorn", "realtime-uvicorn"),
        ("socketio-uvicorn", "realtime-uvicorn"),
    ]
    assert ratios[0]["median"] == 1


def test_page_shows_the_plot_and_says_that_a_quick_run_means_nothing(folder: Path) -> None:
    page = (folder / "results.md").read_text()
    assert "results.svg" in page
    assert "its figures mean nothing" in page
    assert (folder / "results.svg").read_text().startswith("<svg")


def test_unknown_peer_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "tests.bench", "--peers", "apache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "realtime-daphne" in done.stderr
