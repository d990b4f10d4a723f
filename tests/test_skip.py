"""`skip` in all its forms."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import path

from realtime import SocketIOConsumer, aemit, announce_changes, emit, event
from realtime.changes.declarations import forget
from realtime.exceptions import RoomError
from realtime.middleware import acting, acting_page
from realtime.node import emissions, rooms
from realtime.node.actors import HEADER, MAX_SIDS, Actor
from realtime.testing import SocketIOCommunicator, capture_emits, outbox

SIDS = [rooms.new_sid(rooms.new_node_id()) for _ in range(2)]


def request(sids: str = ",".join(SIDS), user: Any = None) -> Any:
    made = RequestFactory().post("/", headers={HEADER: sids})
    made.user = user or AnonymousUser()
    return made


class Speaker(SocketIOConsumer):
    @event
    async def speak(self) -> None:
        await self.emit("said", to="room", skip=self)
        await self.broadcast("said", skip=[self, "others"])
        await aemit("said", skip=self)

    @event
    def speak_in_a_thread(self) -> None:
        emit("said", skip=[self])


async def test_consumer_stands_for_its_client() -> None:
    communicator = SocketIOCommunicator(Speaker)
    await communicator.connect()
    await communicator.call("speak")
    await communicator.call("speak_in_a_thread")
    skips = [emitted.skip for emitted in outbox]
    own = frozenset([communicator.sid])
    assert skips == [own, own | {"others"}, own, own]
    await communicator.disconnect()


@pytest.mark.parametrize(
    ("skip", "names"),
    [
        (None, []),
        ("room", ["room"]),
        (["a", ("b", User(pk=3))], ["a", "b", "~auth.user:3"]),
        (Group(pk=4), ["~auth.group:4"]),
        (request(), SIDS),
        ([request(), "room"], [*SIDS, "room"]),
        (request(f" {SIDS[0]} ,lobby,~auth.user:1,, ~"), [SIDS[0]]),
        (request(""), []),
        (RequestFactory().post("/"), []),
    ],
)
def test_names_in_skip(skip: Any, names: list[str]) -> None:
    emit("said", skip=skip)
    assert outbox[-1].skip == frozenset(names)


def test_header_without_end_is_cut() -> None:
    many = ",".join(rooms.new_sid("0123456789") for _ in range(MAX_SIDS + 10))
    emit("said", skip=request(many))
    assert len(outbox[-1].skip) == MAX_SIDS


@pytest.mark.parametrize(
    ("skip", "error"),
    [
        (AnonymousUser(), RoomError),
        (5, RoomError),
        ([request(), request()], TypeError),
    ],
)
def test_what_cannot_be_skipped_is_refused(skip: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        emit("said", skip=skip)


def test_user_is_not_looked_up_for_a_request_without_sids() -> None:
    class Untouched:
        META: Any = {}
        headers: Any = {}

        @property
        def user(self) -> Any:
            raise AssertionError("who it is costs a query")

    emit("said", skip=Untouched())


async def test_async_request_names_its_user_without_a_thread() -> None:
    made = AsyncRequestFactory().post("/", headers={HEADER: SIDS[0]})
    made.user = User(pk=1, username="ada")
    await aemit("said", skip=made)
    assert outbox[-1].skip == frozenset(SIDS[:1])


def test_actor_travels_between_processes_and_from_older_ones() -> None:
    actor = Actor(sids=frozenset(SIDS), user="~auth.user:1")
    emission = emissions.encode("said", [], namespace="/", to=None, actor=actor)
    body = emissions.to_body(emission)
    assert emissions.from_body(body).actor == actor
    del body["actor"]
    assert emissions.from_body(body).actor is None


# Where there is no request at hand


def tell(request: HttpRequest) -> HttpResponse:
    emit("said", skip=acting_page())
    with transaction.atomic():
        Group.objects.create(name="editors")
    return HttpResponse()


async def atell(request: HttpRequest) -> HttpResponse:
    await aemit("said", skip=[acting_page(), "room"])
    await Group.objects.acreate(name="editors")
    return HttpResponse()


urlpatterns = [path("tell/", tell), path("atell/", atell)]


@pytest.fixture
def announced(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "realtime.middleware.ActingPageMiddleware"]
    announce_changes(Group, to="groups", fields=["name"], skip=acting_page)
    yield
    forget(Group)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("announced")
def test_receivers_and_declarations_know_the_page_that_acted() -> None:
    Client().post("/tell/", headers={HEADER: SIDS[0]})
    skips = {emitted.event: emitted.skip for emitted in outbox}
    assert skips == {"said": {SIDS[0]}, "group:created": {SIDS[0]}}
    Group.objects.all().delete()
    assert outbox[-1].event == "group:deleted"
    assert outbox[-1].skip == frozenset()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("announced")
async def test_async_views_do_as_well() -> None:
    await AsyncClient().post("/atell/", headers={HEADER: SIDS[0]})
    skips = {emitted.event: emitted.skip for emitted in outbox}
    assert skips == {"said": {SIDS[0], "room"}, "group:created": {SIDS[0]}}


class Renamer(SocketIOConsumer):
    @event
    def rename(self, name: str) -> None:
        Group.objects.create(name=name)

    @event
    async def arename(self, name: str) -> None:
        await Group.objects.acreate(name=name)
        await aemit("said", skip=acting_page())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("announced")
async def test_client_whose_event_is_handled_acts() -> None:
    communicator = SocketIOCommunicator(Renamer)
    await communicator.connect()
    for name in ("rename", "arename"):
        await communicator.call(name, name)
    own = {communicator.sid}
    assert [(emitted.event, emitted.skip) for emitted in outbox] == [
        ("group:created", own),
        ("group:created", own),
        ("said", own),
    ]
    await communicator.disconnect()


@pytest.mark.django_db
@pytest.mark.usefixtures("announced")
def test_hooks_that_a_test_runs_later_know_who_acted() -> None:
    with capture_emits() as emits:
        for sid in SIDS:
            Client().post("/tell/", headers={HEADER: sid})
            Group.objects.filter(name="editors").update(name=sid)
    told = [emitted.skip for emitted in emits if emitted.event == "group:created"]
    assert told == [{SIDS[0]}, {SIDS[1]}]


def test_missing_middleware_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="ActingPageMiddleware' in MIDDLEWARE"):
        acting_page()


async def test_nobody_acts_in_what_no_client_caused() -> None:
    seen: list[Any] = []

    class Noting(SocketIOConsumer):
        @event
        async def note(self) -> None:
            seen.append(acting.get())

        async def told_by_a_group(self, message: Any) -> None:
            seen.append(acting.get())

        async def disconnect(self, reason: str) -> None:
            seen.append(acting.get())

    communicator = SocketIOCommunicator(Noting)
    await communicator.connect()
    sid = communicator.sid
    await communicator.call("note")
    await communicator.send_input({"type": "socketio.told", "message": {"type": "told.by.a.group"}})
    await communicator.call("note")
    await communicator.disconnect()
    assert seen == [sid, None, sid, None]
