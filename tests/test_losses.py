"""Numbers of messages that were heard, late or never: the pure part of counting losses."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from realtime.cluster.losses import MAX_AWAITED, PATIENCE, Losses

LATER = PATIENCE + 1.0


def heard(losses: Losses, *numbers: int, series: int = 1, now: float = 0.0) -> None:
    for number in numbers:
        losses.heard("node", "group", series, number, now)


def test_first_message_of_a_sender_says_nothing_about_those_before() -> None:
    losses = Losses()
    heard(losses, 57)
    assert losses.lost(LATER) == Counter()


def test_gap_is_lost_when_its_time_is_up_and_only_once() -> None:
    losses = Losses()
    heard(losses, 1, 4)
    assert losses.lost(PATIENCE / 2) == Counter()
    assert losses.lost(LATER) == Counter(group=2)
    assert losses.lost(2 * LATER) == Counter()


def test_message_that_was_overtaken_is_not_lost() -> None:
    losses = Losses()
    heard(losses, 1, 3, 2)
    assert losses.lost(LATER) == Counter()


@given(st.permutations(range(2, 30)), st.sets(st.integers(2, 29)))
def test_whatever_the_order_each_number_is_heard_or_lost(
    order: list[int], missed: set[int]
) -> None:
    losses = Losses()
    heard(losses, 1, *[number for number in order if number not in missed], 30)
    assert losses.lost(LATER)["group"] == len(missed)


def test_new_series_of_a_sender_starts_from_its_own_number() -> None:
    losses = Losses()
    heard(losses, 1, 2)
    heard(losses, 40, series=2)
    heard(losses, 42, series=2)
    assert losses.lost(LATER) == Counter(group=1)


def test_sender_that_names_a_later_number_shows_what_was_lost_at_the_end() -> None:
    losses = Losses()
    heard(losses, 1)
    losses.compare("node", "group", 1, 3, age=1.0, gap=10.0, now=0.0)
    assert losses.lost(LATER) == Counter(group=2)


def test_unknown_sender_that_sent_meanwhile_shows_one_loss_at_least() -> None:
    losses = Losses()
    losses.compare("node", "group", 1, 9, age=1.0, gap=10.0, now=0.0)
    losses.compare("other", "group", 1, 9, age=11.0, gap=10.0, now=0.0)
    assert losses.lost(LATER) == Counter(group=1)


def test_group_that_was_left_loses_nothing() -> None:
    losses = Losses()
    heard(losses, 1, 5)
    losses.forget(["group"])
    assert losses.lost(LATER) == Counter()
    heard(losses, 9)
    assert losses.lost(2 * LATER) == Counter()


def test_gap_beyond_the_bound_is_counted_at_once_and_not_kept() -> None:
    losses = Losses()
    heard(losses, 1, MAX_AWAITED * 3)
    assert losses.lost(0.0) == Counter(group=MAX_AWAITED * 3 - 2)
