"""How much of a room's log a newcomer gets, as consumers say it."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from ..exceptions import RecoveryError
from .options import options_of
from .positions import Position, at, from_text
from .store import Wanted

#: What consumers say: the last so many events, those of a time, those since a moment, or those
#: since an offset.
History = int | timedelta | datetime | str


def wanted(history: History) -> Wanted:
    """What a consumer asks for. Raises TypeError or ValueError for what is no history."""
    if isinstance(history, bool) or not isinstance(history, History):
        raise TypeError(
            "history= must be a number of events, a timedelta, a datetime or an offset, not"
            f" {type(history).__name__}: {history!r}"
        )
    if isinstance(history, int):
        if history < 0:
            raise ValueError(f"history= can't be a negative number of events: {history}")
        return Wanted(last=history)
    if isinstance(history, str):
        return Wanted(since=_position(history))
    if isinstance(history, timedelta):
        try:
            history = timezone.now() - history
        except OverflowError:  # before the year 1: all of it
            return Wanted()
    elif timezone.is_naive(history):
        history = timezone.make_aware(history)
    return Wanted(since=max(0, at(history.timestamp()) - 1))


def _position(offset: Any) -> Position:
    position = from_text(offset)
    if position is None:
        raise ValueError(
            f"history={offset[:40]!r} is not an offset: it must be one that a client got with an"
            " event, such as '1795629600000-0'"
        )
    return position


def require(namespace: str, what: str) -> None:
    """Raise RecoveryError if a namespace keeps no log."""
    if options_of(namespace) is None:
        raise RecoveryError(
            f"{what} needs the log of recovery, which the namespace {namespace!r} does not keep:"
            ' turn it on with REALTIME = {"RECOVERY": {}}, or with `recovery = True` in the'
            " consumer"
        )
