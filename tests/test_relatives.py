"""A child of the user model is that user, whichever of the two a socket has or code names."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject

from realtime import (
    SocketIOConsumer,
    disconnect_sockets,
    emit,
    event,
    fetch_sockets,
    is_online,
    namespace,
    presence,
    recheck,
    routing,
)
from realtime.permissions import BasePermission
from realtime.testing import SocketIOClient
from tests.relatives import as_child

KINDS: dict[str, Callable[[User], Any]] = {
    "user": lambda user: User.objects.get(pk=user.pk),
    "lazy": lambda user: SimpleLazyObject(lambda: as_child(user)),
    "deferred": lambda user: User.objects.defer("email").get(pk=user.pk),
    "child": as_child,
    "child with a key of its own": lambda user: as_child(user, own_key=True),
}
PAIRS = [pair for pair in itertools.product(KINDS, KINDS) if any("child" in kind for kind in pair)]


@pytest.fixture(autouse=True)
def declarations() -> Iterator[None]:
    kept = list(routing._routes)
    yield
    routing._routes[:] = kept


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def connect(ada: User) -> Iterator[Callable[..., SocketIOClient]]:
    clients = []

    def connect(user: Any, **options: Any) -> SocketIOClient:
        kinds = {kind: of(ada) for kind, of in KINDS.items()}

        @namespace("/account")
        class Account(SocketIOConsumer):
            permission_classes = options.get("permission_classes", ())

            async def connect(self, auth: Any) -> None:
                if user is not None:
                    await self.log_in(user, expires=time.time() + 600)
                await self.join("hall", presence=True)

            @event
            async def become(self, kind: str) -> list[str]:
                self.scope["user"] = kinds[kind]
                return sorted(self.rooms)

            @event
            async def how(self) -> Any:
                return [self.credential is not None, sorted(self.rooms), self.user.is_active]

        client = SocketIOClient("/account", raise_exceptions=False)
        clients.append(client.connect())
        return client

    yield connect
    for client in clients:
        client.disconnect()


@pytest.mark.parametrize(("has", "named"), PAIRS)
def test_user_is_met_by_whichever_model(
    connect: Callable[..., SocketIOClient], ada: User, has: str, named: str
) -> None:
    client, other = connect(KINDS[has](ada)), connect(None)
    name = KINDS[named](ada)
    emit("news", 1, to=name, namespace="/account")
    emit("others", 2, skip=name, namespace="/account")
    emit("both", 3, to=[name, ada], namespace="/account")
    assert client.received("news") == [1] and other.received("news") == []
    assert client.received("others") == [] and other.received("others") == [2]
    assert client.received("both") == [3]
    assert is_online(name)
    (socket,) = fetch_sockets(to=name, namespace="/account").sockets
    assert socket.user is not None and socket.user.model == "auth.user"
    assert [(p.user.pk, p.sockets) for p in presence("hall", "/account")] == [(str(ada.pk), 1)]
    assert disconnect_sockets(to=name, namespace="/account").sockets == 1
    assert [s.user for s in fetch_sockets(namespace="/account").sockets] == [None]


@pytest.mark.parametrize("kind", KINDS)
def test_child_in_the_scope_is_nobody_else(
    connect: Callable[..., SocketIOClient], ada: User, kind: str
) -> None:
    client = connect(ada)
    before = client.call("how")
    assert before[0] is True
    client.call("become", kind)
    assert client.call("how") == before


@pytest.mark.parametrize("named", KINDS)
def test_recheck_of_a_child_asks_the_permissions_of_the_user(
    connect: Callable[..., SocketIOClient],
    ada: User,
    named: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    allowed = [True]

    class Allowed(BasePermission):
        async def may_connect(self, consumer: SocketIOConsumer) -> bool:
            return allowed[0]

    connect(ada, permission_classes=[Allowed])
    other = connect(None, permission_classes=[Allowed])
    allowed[0] = False
    with django_capture_on_commit_callbacks(execute=True):
        recheck(KINDS[named](ada))
    other.received()  # once all is quiet
    assert [s.user for s in fetch_sockets(namespace="/account").sockets] == [None]


@pytest.mark.parametrize("has", KINDS)
def test_end_of_the_login_reaches_whoever_has_a_child(
    connect: Callable[..., SocketIOClient],
    ada: User,
    has: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    connect(KINDS[has](ada))
    connect(None)
    ada.is_active = False
    with django_capture_on_commit_callbacks(execute=True):
        ada.save()
    assert [s.user for s in fetch_sockets(namespace="/account").sockets] == [None]
