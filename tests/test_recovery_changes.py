"""What an operation does to the session of a socket that is away."""

from typing import Any

import pytest

from realtime.node.keeping import Change
from realtime.recovery import changes
from realtime.recovery.sessions import EVERYONE, Session


@pytest.fixture
def session() -> Session:
    return Session(
        pid="p", sid="s", namespace="/", user="", came_as="", rooms={EVERYONE: 1, "s": 1, "a": 1}
    )


def test_joins_are_bounded_as_for_a_socket_that_is_there(session: Session, settings: Any) -> None:
    settings.REALTIME = {"MAX_ROOMS": 3}
    for room in "bcde":
        assert changes.apply(Change("join", room, ("s",), "/"), session, 5)
    assert session.rooms == {EVERYONE: 1, "s": 1, "a": 1, "b": 5, "c": 5}


@pytest.mark.parametrize("namespace", ["/", None])
def test_who_is_meant(session: Session, namespace: str | None) -> None:
    assert changes.apply(Change("disconnect", "", ("b",), namespace), session, 5)
    assert changes.apply(Change("disconnect", "", None, "/other"), session, 5)
    for to in (("a",), ("s",), None):
        assert not changes.apply(Change("disconnect", "", to, namespace), session, 5)


def test_nobody_leaves_the_namespace_or_the_own_room(session: Session) -> None:
    changes.apply(Change("leave", "s", None, "/"), session, 5)
    changes.apply(Change("leave", "a", None, "/"), session, 5)
    assert session.rooms == {EVERYONE: 1, "s": 1}
