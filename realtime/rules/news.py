"""What nodes are told where rules have to be asked again.

A *concern* says whom it is about, in plain values: ("instance", the room of a model's instance),
("user", the room of a user), ("room", namespace or None, name), ("namespace", name), and
("everyone",).
"""

import itertools
import weakref
from collections.abc import Collection, Iterable
from typing import Any

from django.db import connections, transaction

from ..revocation.login import Notice
from ..revocation.telling import tell

Concern = tuple[str | None, ...]

EVERYONE: Concern = ("everyone",)
#: Concerns in one notice; more of them are everyone's.
MAX_CONCERNS = 1_000

_serials = itertools.count()
#: By connection: the hooks that wait for its transaction. Django drops those that roll back.
_registered: "weakref.WeakKeyDictionary[Any, weakref.WeakValueDictionary[int, _Hook]]" = (
    weakref.WeakKeyDictionary()
)


def notice_of(concerns: Iterable[Concern]) -> Notice:
    unique = dict.fromkeys(concerns)
    if len(unique) > MAX_CONCERNS or EVERYONE in unique:
        unique = dict.fromkeys([EVERYONE])
    return {"recheck": [list(concern) for concern in unique]}


def after_commit(concerns: Collection[Concern], using: str | None) -> None:
    """Tell all nodes when the transaction has committed, once for all that it has to say."""
    if not concerns:
        return
    connection = transaction.get_connection(using)
    hook = _Hook(concerns, connection.alias)
    hooks = _registered.setdefault(connection, weakref.WeakValueDictionary())
    hooks[hook.serial] = hook
    transaction.on_commit(hook, using=using, robust=True)


class _Hook:
    """What is to be told after one commit; the first that runs tells it for all."""

    def __init__(self, concerns: Collection[Concern], using: str) -> None:
        self.__qualname__ = type(self).__qualname__  # Django's log names hooks by it
        self.concerns = concerns
        self.serial = next(_serials)
        self.is_done = False
        self._using = using

    def __call__(self) -> None:
        if self.is_done:
            return
        hooks = sorted(_registered[connections[self._using]].items())
        # Earlier ones than the first that runs are of a test that runs only some.
        left = [hook for serial, hook in hooks if serial >= self.serial and not hook.is_done]
        for hook in left:
            hook.is_done = True
        tell(notice_of(concern for hook in left for concern in hook.concerns))
