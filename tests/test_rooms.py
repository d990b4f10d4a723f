"""Room names, sids and group names."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils.functional import SimpleLazyObject

from realtime.cluster import groups
from realtime.exceptions import RoomError
from realtime.node import rooms
from tests.relatives import Customer, Staff, as_child


def test_instance_room_names_model_and_key() -> None:
    assert rooms.of_instance(User(pk=7)) == "~auth.user:7"
    assert rooms.of_instance(Group(pk=7)) == "~auth.group:7"


def test_lazy_user_has_the_room_of_the_user() -> None:
    assert rooms.targets(SimpleLazyObject(lambda: User(pk=7))) == ("~auth.user:7",)


def test_proxy_model_shares_the_room_of_its_table() -> None:
    class Member(User):
        class Meta:
            proxy = True
            app_label = "auth"

    assert rooms.of_instance(Member(pk=7)) == "~auth.user:7"


@pytest.mark.parametrize("own_key", [False, True])
def test_child_of_the_user_model_is_the_user(own_key: bool) -> None:
    child = as_child(User(pk=7), own_key=own_key)
    assert rooms.targets([child, SimpleLazyObject(lambda: child)]) == ("~auth.user:7",)
    assert rooms.skipped([child]) == ("~auth.user:7",)
    assert rooms.to_join(child) == "~auth.user:7"


def test_child_of_another_model_has_a_room_of_its_own() -> None:
    assert rooms.of_instance(Staff(group_ptr_id=7, id=7)) == "~auth.staff:7"


def test_unsaved_instance_has_no_room() -> None:
    for unsaved in (User(), Customer()):
        with pytest.raises(RoomError, match="save it"):
            rooms.targets(unsaved)


@pytest.mark.parametrize("wrong", [5, b"room", 1.5, {"a": 1}, object(), AnonymousUser(), [None]])
def test_targets_refuses_what_is_no_room(wrong: object) -> None:
    with pytest.raises(RoomError):
        rooms.targets(wrong)


@pytest.mark.parametrize("wrong", ["", "x" * 201, "\ud800"])
def test_unusable_room_names_are_refused(wrong: str) -> None:
    with pytest.raises(RoomError):
        rooms.to_join(wrong)


def test_targets_keeps_order_and_drops_repeats() -> None:
    assert rooms.targets(["b", "a", User(pk=1), "b"]) == ("b", "a", "~auth.user:1")
    assert rooms.targets(None) is None
    assert rooms.targets([]) == ()


def test_reserved_names_cannot_be_joined_as_text() -> None:
    with pytest.raises(RoomError, match="pass the instance itself"):
        rooms.to_join("~auth.user:1")
    assert rooms.to_join(User(pk=1)) == "~auth.user:1"


def test_sid_tells_its_node_and_a_room_name_does_not() -> None:
    node = rooms.new_node_id()
    assert rooms.node_of(rooms.new_sid(node)) == node
    for name in ("lobby", "~auth.user:1", node, f"~{node}", f"x{rooms.new_sid(node)}"):
        assert rooms.node_of(name) is None


def test_group_names_are_short_ascii_and_distinct() -> None:
    names = ["a:b", "a_b", "a.b", "a b", "ä", "a" * 199, "a" * 200, "🦊", "\0", "0:/"]
    found = [groups.group_name(namespace, name) for name in names for namespace in ("/", "/x")]
    found += [groups.group_name("/"), groups.group_name("/x"), groups.node_group("abcdefghij")]
    assert len(set(found)) == len(found)
    assert all(group.isascii() and len(group) < 100 for group in found)
    # The border between namespace and room is part of the name.
    assert groups.group_name("/a", "b/c") != groups.group_name("/ab", "/c")
