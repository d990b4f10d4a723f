"""The namespace of the admin's live pages: who gets in, what they hear, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User

from realtime import ConnectionRefused, aemit
from realtime.admin.live.consumer import BATCH, LiveAdminConsumer
from realtime.admin.live.feeds import MAX_DECODED, MAX_TEXT, RATE
from realtime.admin.live.pulse import CALM_BEATS, Pulse, pulse
from realtime.admin.live.staff import NAMESPACE
from realtime.asgi import make_server
from realtime.compat.server import SocketIOServer
from realtime.node.current import withdraw
from realtime.node.emissions import encode
from realtime.testing import SocketIOCommunicator
from tests.live.servers import manage

pytestmark = pytest.mark.django_db(transaction=True)

Watcher = SocketIOCommunicator
Watch = Callable[..., Awaitable[Watcher]]
SOON = 0.05


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.admin.live.pulse.INTERVAL", SOON)


@sync_to_async
def staff(name: str, *codenames: str, **fields: Any) -> User:
    user = User.objects.create_user(name, is_staff=fields.pop("is_staff", True), **fields)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=codenames, content_type__app_label="realtime")
    )
    assert user.user_permissions.count() == len(codenames)
    return user


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Connects a page: `await watch(user)`."""
    open_pages: list[Watcher] = []

    async def connect(user: Any, **scope: Any) -> Watcher:
        page = SocketIOCommunicator(LiveAdminConsumer, NAMESPACE, user=user)
        page.scope.update(scope)
        await page.connect()
        open_pages.append(page)
        return page

    yield connect
    for page in open_pages:
        if not page.future.done():
            await page.disconnect()


@pytest.fixture
async def server() -> AsyncIterator[SocketIOServer]:
    server = make_server()
    server.start()
    yield server
    await server.shutdown()


@pytest.fixture
async def far_server(server: SocketIOServer) -> AsyncIterator[SocketIOServer]:
    """Another node of the site; `server` is the one that pages are connected to."""
    far = make_server()
    far.start()
    # The one that started last is where this process's own emits and pages go.
    withdraw(far.node)
    yield far
    await far.shutdown()


async def next_of(page: Watcher, name: str) -> tuple[Any, ...]:
    """The next event of this name."""
    while True:
        received = await page.receive_event()
        if received[0] == name:
            return received


async def lines(page: Watcher) -> dict[str, Any]:
    """The next batch of the feed."""
    _, batch = await next_of(page, "lines")
    return dict(batch)


# Who gets in


async def test_superuser_hears_ticks(watch: Watch) -> None:
    page = await watch(await staff("root", is_superuser=True))
    assert await page.call("watch", "rooms") == {"interval": 2.0}
    assert await page.receive_event() == ("tick",)
    assert await page.receive_event() == ("tick",)


async def test_view_permission_is_enough_for_its_page_only(watch: Watch) -> None:
    page = await watch(await staff("ann", "view_room"))
    refused = await page.call("watch", "nodes")
    assert refused["error"]["code"] == "forbidden"
    await page.call("watch", "room")
    assert await page.receive_event() == ("tick",)


async def test_unknown_page_is_refused(watch: Watch) -> None:
    page = await watch(await staff("ann", "view_room"))
    assert (await page.call("watch", "engine"))["error"]["code"] == "bad_page"


@pytest.mark.parametrize("who", ["nobody", "user", "staff without permission", "left"])
async def test_others_are_refused(who: str) -> None:
    user = {
        "nobody": None,
        "user": await staff("ben", "view_room", is_staff=False),
        "staff without permission": await staff("cat"),
        "left": await staff("dan", "view_room", is_active=False),
    }[who]
    page = SocketIOCommunicator(LiveAdminConsumer, NAMESPACE, user=user)
    with pytest.raises(ConnectionRefused, match="Only staff"):
        await page.connect()


# Who has to go


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
async def test_who_is_staff_no_more_is_sent_away(watch: Watch, change: dict[str, bool]) -> None:
    ann = await staff("ann", "view_room")
    page = await watch(ann)
    await page.call("watch", "rooms")
    await User.objects.filter(pk=ann.pk).aupdate(**change)
    await page.receive_close()
    assert await page.receive_nothing(4 * SOON)


async def test_who_loses_the_permission_is_sent_away(watch: Watch) -> None:
    ann = await staff("ann", "view_room")
    page = await watch(ann)
    await page.call("watch", "rooms")
    await ann.user_permissions.aclear()
    await page.receive_close()


@sync_to_async
def signed_in(user: User) -> Any:
    session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


async def test_who_logs_out_is_sent_away(watch: Watch) -> None:
    ann = await staff("ann", "view_room")
    session = await signed_in(ann)
    page = await watch(ann, session=session)
    await page.call("watch", "rooms")
    assert await page.receive_event() == ("tick",)
    await sync_to_async(session.delete)(session.session_key)
    await page.receive_close()


async def test_feed_ends_with_its_permission(watch: Watch, server: SocketIOServer) -> None:
    ann = await staff("ann", "view_room", "watch_room")
    page = await watch(ann)
    assert await page.call("feed", "/chat", "lobby", True) == {"on": True}
    await ann.user_permissions.aremove(await Permission.objects.aget(codename="watch_room"))
    await page.receive_close()
    assert not server.node.members._taps


# The pulse


async def test_pulse_runs_only_while_somebody_watches(watch: Watch) -> None:
    page = await watch(await staff("root", is_superuser=True))
    assert not pulse().running
    await page.call("watch", "rooms")
    assert pulse().running
    await page.call("watch", None)
    await asyncio.sleep(0)
    assert not pulse().running
    await page.call("watch", "rooms")
    await page.disconnect()
    await asyncio.sleep(0)
    assert not pulse().running


async def test_one_pulse_serves_all_pages(watch: Watch) -> None:
    root = await staff("root", is_superuser=True)
    pages = [await watch(root) for _ in range(3)]
    for page in pages:
        await page.call("watch", "sockets")
    for page in pages:
        assert await page.receive_event() == ("tick",)
    assert sum(task.get_coro().__qualname__ == "Pulse._beat" for task in asyncio.all_tasks()) == 1


class Beats:
    """A page that counts: which of the beats told it something."""

    watches, charts = True, False

    def __init__(self) -> None:
        self.looked = 0
        self.told: list[int] = []

    async def still_may(self) -> bool:
        self.looked += 1
        return True

    async def tell(self, event: str, *args: Any) -> None:
        self.told.append(self.looked)


async def test_calm_servers_tick_seldom(
    server: SocketIOServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half of it is the time that nodes have to answer in, and an answer too late is a tick.
    monkeypatch.setattr("realtime.admin.live.pulse.INTERVAL", 4 * SOON)
    beats, beat = Beats(), Pulse()
    beat.add(beats)
    while beats.looked <= 2 * CALM_BEATS + 1:
        await asyncio.sleep(SOON)
    server.node.members.changes += 1
    at = beats.looked + 1
    while beats.looked <= at:
        await asyncio.sleep(SOON)
    beat.remove(beats)
    assert beats.told[:4] == [1, 1 + CALM_BEATS, 1 + 2 * CALM_BEATS, at]


async def test_page_of_nodes_gets_readings_and_those_before(
    watch: Watch, server: SocketIOServer
) -> None:
    root = await staff("root", is_superuser=True)
    first, second = await watch(root), await watch(root)
    await first.call("watch", "nodes")
    _, [reading] = await next_of(first, "nodes")
    [node] = reading["nodes"]
    assert node["id"] == server.node.id
    assert node["stats"]["sockets"] == 0
    assert node["stats"]["memory"] > 1_000_000
    await second.call("watch", "nodes")
    _, before = await next_of(second, "nodes")
    assert before[0] == reading


# The feed


async def feeding(watch: Watch, room: str = "lobby") -> Watcher:
    page = await watch(await staff("root", is_superuser=True))
    assert await page.call("feed", "/chat", room, True) == {"on": True}
    return page


async def test_feed_is_silent_until_switched_on(watch: Watch, server: SocketIOServer) -> None:
    page = await watch(await staff("root", is_superuser=True))
    await aemit("said", "unheard", to="lobby", namespace="/chat")
    await page.call("feed", "/chat", "lobby", True)
    await aemit("said", "heard", to="lobby", namespace="/chat")
    await aemit("said", "elsewhere", to="kitchen", namespace="/chat")
    await aemit("said", "elsewhere", to="lobby", namespace="/shop")
    await aemit("shouted", to=None, namespace="/chat")
    batch = await lines(page)
    assert [(line["event"], line["args"]) for line in batch["lines"]] == [
        ("said", '["heard"]'),
        ("shouted", "[]"),
    ]
    assert [line["rooms"] for line in batch["lines"]] == [["lobby"], None]
    assert await page.call("feed", "/chat", "lobby", False) == {"on": False}
    assert not server.node.members._taps
    await aemit("said", "unheard", to="lobby", namespace="/chat")
    assert await page.receive_nothing(2 * BATCH)


async def test_feed_needs_a_permission_of_its_own(watch: Watch, server: SocketIOServer) -> None:
    page = await watch(await staff("ann", "view_room"))
    refused = await page.call("feed", "/chat", "lobby", True)
    assert refused["error"]["code"] == "forbidden"
    assert "realtime.watch_room" in refused["error"]["message"]
    assert not server.node.members._taps


async def test_feed_of_a_socket_or_of_no_room_is_refused(
    watch: Watch, server: SocketIOServer
) -> None:
    page = await watch(await staff("root", is_superuser=True))
    for room, code in ((page.sid, "bad_room"), ("", "bad_room"), (7, "bad_arguments")):
        assert (await page.call("feed", "/chat", room, True))["error"]["code"] == code


async def test_feed_hears_other_processes(watch: Watch, far_server: SocketIOServer) -> None:
    page = await feeding(watch)
    for room in ("lobby", "kitchen"):
        await far_server.node.broadcast(
            encode("said", ["over there", room], namespace="/chat", to=(room,))
        )
    await far_server.node.broadcast(encode("shouted", [], namespace="/chat", to=None))
    heard: list[Any] = []
    while len(heard) < 2:
        heard += (await lines(page))["lines"]
    assert [line["args"] for line in heard] == ['["over there", "lobby"]', "[]"]


async def test_event_in_several_of_its_rooms_is_one_line(
    watch: Watch, server: SocketIOServer
) -> None:
    page = await feeding(watch)
    await aemit("said", to=["lobby", "kitchen", "lobby"], namespace="/chat")
    assert [line["rooms"] for line in (await lines(page))["lines"]] == [["lobby", "kitchen"]]


@pytest.mark.usefixtures("server")
async def test_feed_cuts_what_is_long(watch: Watch) -> None:
    page = await feeding(watch)
    value = {
        "text": "x" * 5_000,
        "list": list(range(1_000)),
        "deep": [[[[[[[["hidden"]]]]]]]],
        "file": b"\x00" * 3_000,
        **{f"key {n}": n for n in range(100)},
    }
    await aemit("said", value, to="lobby", namespace="/chat")
    await aemit("said", *["y" * 150] * 20, to="lobby", namespace="/chat")
    await aemit("said", "z" * (MAX_DECODED + 1), to="lobby", namespace="/chat")
    cut, still_long, too_big = (await lines(page))["lines"]
    assert "(5000 characters)" in cut["args"]
    assert "... 980 more" in cut["args"]
    assert "<binary, 3000 bytes>" in cut["args"]
    assert "... 84 more" in cut["args"]
    assert "hidden" not in cut["args"]
    assert len(still_long["args"]) < MAX_TEXT + 50
    assert too_big["args"] is None
    assert too_big["bytes"] > MAX_DECODED


async def test_feed_skips_what_comes_too_fast_and_says_how_many(
    watch: Watch, server: SocketIOServer
) -> None:
    page = await feeding(watch)
    for number in range(10 * RATE):
        await aemit("said", number, to="lobby", namespace="/chat")
    shown = skipped = 0
    while shown + skipped < 10 * RATE:
        batch = await lines(page)
        shown += len(batch["lines"])
        skipped += batch["skipped"]
    assert 2 * RATE <= shown < 5 * RATE
    assert shown + skipped == 10 * RATE


async def test_feed_reads_msgpack(watch: Watch, settings: Any, server: SocketIOServer) -> None:
    settings.REALTIME = {"PARSER": "msgpack"}
    page = await feeding(watch)
    await aemit("said", {"file": b"\x00" * 30, "when": None}, to="lobby", namespace="/chat")
    [line] = (await lines(page))["lines"]
    assert line["event"] == "said"
    assert line["args"] == '[{"file": "<binary, 30 bytes>", "when": null}]'


async def test_page_that_goes_takes_its_feed_along(watch: Watch, server: SocketIOServer) -> None:
    page = await feeding(watch)
    memberships = server.node.cluster.memberships
    assert ("/chat", "lobby") in memberships.needed
    await page.disconnect()
    assert not server.node.members._taps
    assert ("/chat", "lobby") not in memberships.needed


@pytest.mark.parametrize(
    ("settings_module", "served"), [("tests.settings", True), ("tests.site.settings", False)]
)
def test_namespace_is_served_only_where_the_admin_is_installed(
    settings_module: str, served: bool
) -> None:
    code = f"from realtime.routing import serves; print(serves({NAMESPACE!r}))"
    environment = {"DJANGO_SETTINGS_MODULE": settings_module}
    done = manage("shell", "--no-imports", "-c", code, environment=environment)
    assert done.stdout.strip() == str(served), done.stderr
