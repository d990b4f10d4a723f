"""`recheck` and `arecheck`: what rules have read has changed."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model
from django.utils.functional import Promise

from ..aio.forgotten import noticed
from ..node import current, records, rooms
from ..revocation.telling import atell
from .news import Concern, after_commit, notice_of


def recheck(*targets: Any, namespace: str | None = None, using: str | None = None) -> None:
    """Check rules again after the commit. Sockets that may no longer be in a room are removed.

    Each target is a model instance (the rooms whose rules got it), a user (the permissions and all
    rooms of the user's sockets), the name of a room, or a list or queryset of these. `namespace`
    limits names of rooms to one namespace; without targets, it means everything in it. `using` is
    the database whose commit to wait for, by default that of the first instance.

    Returns when the nodes have been told, or keeps telling them in the background while the channel
    layer fails. Raises RoomError for an invalid target, and SyncEmitInAsyncCode in async code.
    """
    current.refuse_in_async_code("recheck")
    concerns = _concerns(targets, namespace)
    records.record_question("recheck", {"targets": targets, "namespace": namespace})
    if using is None:
        instances = (target for target in _flat(targets) if isinstance(target, Model))
        using = next((instance._state.db for instance in instances), None)
    after_commit(concerns, using)


@noticed
async def arecheck(*targets: Any, namespace: str | None = None) -> None:
    """The same as `recheck`, for async code. It does not wait for a commit."""
    concerns = _concerns(targets, namespace)
    records.record_question("recheck", {"targets": targets, "namespace": namespace})
    await atell(notice_of(concerns))


def _concerns(targets: tuple[Any, ...], namespace: str | None) -> list[Concern]:
    if targets:
        return [concern for target in _flat(targets) for concern in _of(target, namespace)]
    if namespace is None:
        raise TypeError(
            "recheck() takes what has changed: a model instance, a user, or the name of a room; or"
            ' namespace="/shop" for everyone there'
        )
    return [("namespace", namespace)]


def _flat(targets: Iterable[Any]) -> Iterator[Any]:
    for target in targets:
        # A lazy object, such as request.user, has __iter__ whatever is behind it.
        is_one = isinstance(target, str | Model | Promise)
        if not is_one and isinstance(target, Iterable):
            yield from target
        else:
            yield target


def _of(target: Any, namespace: str | None) -> list[Concern]:
    (name,) = rooms.targets((target,)) or ()
    if not isinstance(target, Model):
        return [("room", namespace, name)]
    names = [name, *(rooms.of_row(parent, key) for parent, key in _parents(target))]
    is_user = hasattr(target, "is_authenticated")
    return [
        *(("instance", each) for each in names),
        *(("user", each) for each in names if is_user),
    ]


def _parents(instance: Model) -> Iterator[tuple[type[Model], Any]]:
    """The rows that are the same thing: a rule may have been given one of them."""
    for parent in instance._meta.get_parent_list():
        if parent._meta.concrete_model is not instance._meta.concrete_model:
            yield parent, getattr(instance, parent._meta.pk.attname)
