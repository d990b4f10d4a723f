"""Numbers of messages that were heard, late or never: the pure part of counting losses."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from realtime.cluster.losses import MAX_AWAITED, PATIENCE, Incoming

LATER = PATIENCE + 1.0


def heard(incoming: Incoming, *numbers: int, series: int = 1, now: float = 0.0) -> None:
    for number in numbers:
        incoming.heard("node", "group", series, number, now)


def test_first_message_of_a_sender_says_nothing_about_those_before() -> None:
    incoming = Incoming()
    heard(incoming, 57)
    assert incoming.lost(LATER) == Counter()


def test_gap_is_lost_when_its_time_is_up_and_only_once() -> None:
    incoming = Incoming()
    heard(incoming, 1, 4)
    assert incoming.lost(PATIENCE / 2) == Counter()
    assert incoming.lost(LATER) == Counter(group=2)
    assert incoming.lost(2 * LATER) == Counter()


def test_message_that_was_overtaken_is_not_lost() -> None:
    incoming = Incoming()
    heard(incoming, 1, 3, 2)
    assert incoming.lost(LATER) == Counter()


@given(st.permutations(range(2, 30)), st.sets(st.integers(2, 29)))
def test_whatever_the_order_each_number_is_heard_or_lost(
    order: list[int], missed: set[int]
) -> None:
    incoming = Incoming()
    heard(incoming, 1, *[number for number in order if number not in missed], 30)
    assert incoming.lost(LATER)["group"] == len(missed)


def test_new_series_of_a_sender_starts_from_its_own_number() -> None:
    incoming = Incoming()
    heard(incoming, 1, 2)
    heard(incoming, 40, series=2)
    heard(incoming, 42, series=2)
    assert incoming.lost(LATER) == Counter(group=1)


def test_sender_that_names_a_later_number_shows_what_was_lost_at_the_end() -> None:
    incoming = Incoming()
    heard(incoming, 1)
    incoming.compare("node", "group", 1, 3, age=1.0, gap=10.0, now=0.0)
    assert incoming.lost(LATER) == Counter(group=2)


def test_unknown_sender_that_sent_meanwhile_shows_one_loss_at_least() -> None:
    incoming = Incoming()
    incoming.compare("node", "group", 1, 9, age=1.0, gap=10.0, now=0.0)
    incoming.compare("other", "group", 1, 9, age=11.0, gap=10.0, now=0.0)
    assert incoming.lost(LATER) == Counter(group=1)


def test_group_that_was_left_loses_nothing() -> None:
    incoming = Incoming()
    heard(incoming, 1, 5)
    incoming.forget(["group"])
    assert incoming.lost(LATER) == Counter()
    heard(incoming, 9)
    assert incoming.lost(2 * LATER) == Counter()


def test_gap_beyond_the_bound_is_counted_at_once_and_not_kept() -> None:
    incoming = Incoming()
    heard(incoming, 1, MAX_AWAITED * 3)
    assert incoming.lost(0.0) == Counter(group=MAX_AWAITED * 3 - 2)
