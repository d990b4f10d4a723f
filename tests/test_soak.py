"""The soak's judge: each kind of fault in what a client got is found, and nothing else is."""

from typing import Any

import pytest

from tests.soak import plan
from tests.soak.ledger import Emission, read_client, read_emission
from tests.soak.options import Options
from tests.soak.verdict import Ledger, violations

HERE, THERE = "here", "there"


def emitted(number: int, to: Any = HERE, certain: bool = True, emitter: str = "view") -> Emission:
    """What was emitted between the seconds `number` and `number + 0.5`."""
    return read_emission([emitter, number, to, number, number + 0.5, certain])


def said(number: int, emitter: str = "view", offset: int | None = None) -> list[Any]:
    at = number if offset is None else offset
    return ["said", number + 0.4, emitter, number, f"{at}-0"]


def connect(at: float, recovered: bool, sid: str = "a") -> list[Any]:
    return ["connect", at, recovered, sid]


def client(*log: list[Any], rooms: tuple[str, ...] = (HERE,), name: str = "client") -> Any:
    told = {"name": name, "rooms": rooms, "blinks": 0}
    return read_client(told | {"log": [connect(0, False), *log]})


def kinds(emissions: list[Emission], *clients: Any) -> list[str]:
    return [found.kind for found in violations(Ledger(emissions, clients), clients)]


FOUR = [emitted(number) for number in range(1, 5)]


def test_client_that_got_all_is_well() -> None:
    assert kinds(FOUR, client(*(said(number) for number in range(1, 5)))) == []


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_lost_emission_is_found_wherever_it_was(lost: int) -> None:
    got = [said(number) for number in range(1, 5) if number != lost]
    # Whether or not anybody else got it.
    assert kinds(FOUR, client(*got)) == ["missing"]
    other = client(*(said(number) for number in range(1, 5)), name="other")
    assert kinds(FOUR, client(*got), other) == ["missing"]


def test_recovered_client_has_to_have_what_it_missed() -> None:
    back = connect(3.2, True)
    assert kinds(FOUR, client(said(1), back, said(2), said(3), said(4))) == []
    assert kinds(FOUR, client(said(1), back, said(3), said(4))) == ["missing"]
    assert kinds(FOUR, client(said(1), back)) == ["missing"] * 3


@pytest.mark.parametrize("report", [connect(3.2, False, "b"), ["resync", 3.2]])
def test_what_was_reported_as_lost_may_be_missing_and_nothing_after_it(report: list[Any]) -> None:
    assert kinds(FOUR, client(said(1), report, said(4))) == []
    assert kinds(FOUR, client(said(1), report, said(3), said(4))) == []
    assert kinds(FOUR, client(said(1), report)) == ["missing"]
    assert kinds(FOUR, client(said(2), report, said(4))) == ["missing"]


def test_report_that_belongs_to_a_connect_counts_once() -> None:
    both = client(said(1), connect(3.2, False, "b"), ["resync", 3.3], said(4))
    assert (both.anew, both.reports) == (1, 0)
    assert kinds(FOUR, both) == []


def test_emission_that_comes_twice_is_found() -> None:
    assert kinds(FOUR[:1], client(said(1), said(1))) == ["twice", "out of order"]
    assert kinds(FOUR[:1], client(said(1), connect(2, False, "b"), said(1))) == ["twice"]


def test_wrong_order_is_found() -> None:
    assert kinds(FOUR[:2], client(said(2), said(1))) == ["out of order"] * 2
    # The offsets rise, but the emitter said them the other way round.
    swapped = client(said(2, offset=1), said(1, offset=2))
    assert kinds(FOUR[:2], swapped) == ["out of order"]
    others = client(said(1), said(2), name="other")
    assert kinds(FOUR[:2], others, swapped) == ["out of order"] * 3


def test_emission_for_others_or_of_nobody_is_found() -> None:
    assert kinds([emitted(1, to=THERE)], client(said(1))) == ["for others"]
    assert kinds([], client(said(1))) == ["never emitted"]
    assert (
        kinds([emitted(1, to=[THERE, HERE]), emitted(2, to=None)], client(said(1), said(2))) == []
    )


def test_emission_of_which_nobody_knows_is_had_by_all_or_none() -> None:
    emissions = [emitted(1), emitted(2, certain=False), emitted(3)]
    without = client(said(1), said(3))
    assert kinds(emissions, without) == []
    assert kinds(emissions, without, client(said(1), said(2), said(3), name="other")) == ["missing"]


def test_recovered_client_with_another_sid_is_found() -> None:
    assert kinds([], client(connect(1, True, "another"))) == ["wrong"]


def test_seed_makes_the_same_plan_again_with_each_kind_of_fault() -> None:
    short = Options(seconds=30, seed=7, clients=10)
    assert plan.lanes(short) == plan.lanes(short)
    assert plan.lanes(short) != plan.lanes(Options(seconds=30, seed=8, clients=10))
    for lane, all_kinds in [("links", plan.LINKS), ("redis", plan.REDIS)]:
        assert {fault.kind for fault in plan.lanes(short)[lane]} == set(all_kinds)
    assert plan.lanes(Options(seed=7, store="memory"))["redis"] == []
