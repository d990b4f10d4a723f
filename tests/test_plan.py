"""What runs without `--full`, and what takes turns."""

import itertools
from pathlib import Path

import pytest

from tests.plan import FIRST, HEAVY, ON_THE_DEMO_SITE, diagonal, turn

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("sizes", [{}, {"a": 1}, {"a": 2, "b": 2}, {"a": 2, "b": 3, "c": 1}])
def test_diagonal_has_each_value_of_each_axis_and_no_point_too_many(sizes: dict[str, int]) -> None:
    points = [
        dict(zip(sizes, at, strict=True)) for at in itertools.product(*map(range, sizes.values()))
    ]
    found = diagonal(points)
    assert all(point in points for point in found)
    assert len(found) == max(sizes.values(), default=1)
    for axis, size in sizes.items():
        assert {point[axis] for point in found} == set(range(size))


def test_variant_that_was_asked_for_by_its_name_is_run() -> None:
    assert diagonal([{"server": 1, "transports": 2}]) == [{"server": 1, "transports": 2}]


def test_tests_of_one_file_take_turns_and_those_of_its_layers_run_side_by_side() -> None:
    file = "tests/live/test_faults.py"
    turns = {turn(f"{file}::test_{name}") for name in ("a[core]", "a[pubsub]", "b[x-core]", "c")}
    assert turns == {f"{file} core", f"{file} pubsub", f"{file} "}


def test_heavy_tests_and_those_of_one_site_take_turns() -> None:
    assert {turn(f"{file}::test_a[uvicorn]") for file in HEAVY} == {"heavy"}
    turns = {turn(f"{file}::test_{n}[daphne]") for file in ON_THE_DEMO_SITE for n in "ab"}
    assert turns == {"the demo site on daphne"}


def test_files_that_the_plan_names_are_there() -> None:
    for name in {*FIRST, *HEAVY, *ON_THE_DEMO_SITE}:
        assert (ROOT / name).is_file(), name
