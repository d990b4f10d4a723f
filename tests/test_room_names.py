"""Names of rooms, sids and groups, whatever text an application or a client comes up with."""

import re

import pytest
from channels.layers import BaseChannelLayer
from django.contrib.auth.models import Group, User
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.cluster import groups
from realtime.exceptions import RoomError
from realtime.node import rooms

anything = st.text(st.characters(exclude_categories=[]), max_size=rooms.MAX_LENGTH + 5)
# Names that a careless mapping would take for each other.
similar = st.text("aA/:,~.-_ üÜ\u0301\U0001f600'\"", max_size=12)
names = anything | similar


def is_room(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return 0 < len(name) <= rooms.MAX_LENGTH


room_names = names.filter(is_room)
paths = similar.map("/".__add__)
keys = st.tuples(paths, st.none() | similar.filter(is_room))


@given(one=keys, other=keys)
@settings(max_examples=500)
def test_two_rooms_never_share_a_group(
    one: tuple[str, str | None], other: tuple[str, str | None]
) -> None:
    assert (groups.group_name(*one) == groups.group_name(*other)) == (one == other)


@given(texts=st.tuples(similar, similar, similar))
@settings(max_examples=300)
def test_the_border_between_namespace_and_room_counts(texts: tuple[str, str, str]) -> None:
    first, second, third = texts
    one = groups.group_name("/" + first + second, third or "x")
    other = groups.group_name("/" + first, second + (third or "x"))
    assert (one == other) == (second == "")


@given(namespace=names.map("/".__add__).filter(lambda name: is_room(name[:200])), room=room_names)
@settings(max_examples=300)
def test_groups_are_names_that_every_channel_layer_takes(namespace: str, room: str) -> None:
    layer = BaseChannelLayer()
    for group in (groups.group_name(namespace), groups.group_name(namespace, room)):
        assert re.fullmatch(r"[a-z0-9.]{1,80}", group)
        layer.require_valid_group_name(group)


@given(name=names)
@settings(max_examples=500)
def test_a_text_is_a_room_to_join_or_refused(name: str) -> None:
    if is_room(name) and not name.startswith(rooms.RESERVED):
        assert rooms.to_join(name) == name
    else:
        with pytest.raises(RoomError):
            rooms.to_join(name)


@given(name=names)
@settings(max_examples=300)
def test_a_text_is_a_target_as_it_is_or_refused(name: str) -> None:
    if is_room(name):
        assert rooms.targets(name) == (name,)
        assert rooms.targets([name, name]) == (name,)
    else:
        with pytest.raises(RoomError):
            rooms.targets(name)


@given(
    value=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.text())
)
def test_what_is_no_text_is_no_room(value: object) -> None:
    with pytest.raises(RoomError):
        rooms.to_join(value)


@given(pk=st.integers(1, 10**6) | st.text(min_size=1, max_size=20))
def test_no_text_of_a_client_is_an_instances_room(pk: object) -> None:
    room = rooms.of_instance(User(pk=pk))
    assert room != rooms.of_instance(Group(pk=pk))
    with pytest.raises(RoomError, match="reserved"):
        rooms.to_join(room)


def test_sids_are_reserved_and_tell_their_node() -> None:
    node = rooms.new_node_id()
    sids = {rooms.new_sid(node) for _ in range(1000)}
    assert len(sids) == 1000
    for sid in sids:
        assert rooms.node_of(sid) == node
        with pytest.raises(RoomError, match="reserved"):
            rooms.to_join(sid)


@given(name=names)
@settings(max_examples=300)
def test_no_room_that_can_be_joined_is_taken_for_a_sid(name: str) -> None:
    assert rooms.node_of(name) is None or name.startswith(rooms.RESERVED)


@given(name=anything.map("/".__add__))
@settings(max_examples=300)
def test_namespaces_are_short_and_printable(name: str) -> None:
    if rooms.is_namespace(name):
        assert len(name) <= rooms.MAX_LENGTH
        assert name.encode() and not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name)
