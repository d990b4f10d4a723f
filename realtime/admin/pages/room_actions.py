"""What can be done to rooms, and how one is named in addresses and in the admin's log."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.admin.models import CHANGE
from django.utils.translation import gettext, gettext_noop

from ...models import Room
from ...node import rooms
from ...operations.arguments import checked_namespace
from ...operations.reports import Outcome
from ...operations.room_kinds import kind_of
from ...operations.steering import leave_sockets
from .actions import Action, removed
from .socket_table import label_of_sid


@dataclass(frozen=True, kw_only=True)
class Address:
    """Which room: what the query string of its pages says, and its key."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        # A namespace ends at the first comma, as it does in a packet of Socket.IO.
        return f"{self.namespace},{self.name}"

    @property
    def label(self) -> str:
        return gettext("%(room)s in %(namespace)s") % {
            "room": self.name,
            "namespace": self.namespace,
        }

    @property
    def is_of_a_user(self) -> bool:
        return kind_of(self.name) == "user"

    @classmethod
    def of_key(cls, key: str) -> "Address":
        """Raises RoomError and ValueError for what is no key."""
        namespace, _, name = key.partition(",")
        checked_namespace(namespace)
        rooms.targets(name)
        return cls(namespace=namespace, name=name)


def _label_of_key(key: str) -> str | None:
    try:
        room = Address.of_key(key)
    except ValueError:  # a RoomError is one
        return None
    # A user is in their own room for as long as they are connected.
    return None if room.is_of_a_user else room.label


def _close(keys: Sequence[str]) -> Outcome:
    left = 0
    missing: set[str] = set()
    for key in keys:
        room = Address.of_key(key)
        outcome = leave_sockets(room.name, namespace=room.namespace)
        left += outcome.sockets
        missing.update(outcome.missing)
    return Outcome(sockets=left, missing=tuple(sorted(missing)))


CLOSE = Action(
    name="close",
    label=gettext_noop("Close selected rooms"),
    question=gettext_noop(
        "Close these rooms? All members are removed; they stay connected, and may join again."
    ),
    permission="realtime.disconnect_room",
    model=Room,
    flag=CHANGE,
    done=removed,
    run=_close,
    label_of=_label_of_key,
)


def remove_from(room: Address) -> Action:
    def remove(sids: Sequence[str]) -> Outcome:
        return leave_sockets(room.name, list(sids), namespace=room.namespace)

    return Action(
        name="remove",
        label=gettext_noop("Remove selected members from the room"),
        question=gettext_noop(
            "Remove these sockets from the room? They stay connected, and may join again."
        ),
        permission="realtime.disconnect_room",
        model=Room,
        flag=CHANGE,
        done=removed,
        run=remove,
        label_of=label_of_sid,
        logged_for={room.key: room.label},
    )
