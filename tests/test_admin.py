"""The admin's pages of rooms, sockets, users and nodes, with real sockets in this process."""

import html
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin import site as default_site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import path

from realtime.admin.pages.rooms import RoomAdmin
from realtime.models import Room
from tests.web_thread import Crowd, crowd, web_thread

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = ["room", "socket", "onlineuser", "node"]
#: Everything in a name that HTML, an address or the admin's log could trip over.
ODD = "<script>alert('1')</script> \"a&amp;b\"/../?x=1#%2F,;_5F+ é 日本\n"
ROOM_PAGE = "/admin/realtime/room/view/"

# A site of somebody's own, with the pages of rooms only.
ops = AdminSite(name="ops")
ops.register(Room, RoomAdmin)
urlpatterns = [path("ops/", ops.urls), path("admin/", default_site.urls)]


@pytest.fixture(scope="module")
def everyone() -> Iterator[Crowd]:
    with web_thread() as url, crowd(url) as clients:
        yield clients


@pytest.fixture
def web(everyone: Crowd) -> Iterator[Crowd]:
    """A server without sockets, to which clients may connect."""
    yield everyone
    everyone.go()


@pytest.fixture
def reader() -> Callable[..., Client]:
    """A browser of somebody of the staff with these permissions."""

    def make(*codenames: str, **attributes: Any) -> Client:
        name = "-".join(codenames) or "nobody"
        user = User.objects.create_user(name, is_staff=True, **attributes)
        permissions = Permission.objects.filter(
            content_type__app_label="realtime", codename__in=codenames
        )
        assert len(permissions) == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def login(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_user(name))
    return client


def session(browser: Client) -> str:
    return browser.cookies["sessionid"].value


def room_page(room: str, view: str = "view") -> str:
    return f"/admin/realtime/room/{view}/?{urlencode({'namespace': '/', 'room': room})}"


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def follow(client: Client, response: Any) -> str:
    assert response.status_code == 302, text(response)
    return text(client.get(response["Location"]))


def yes(client: Client, address: str, **fields: Any) -> str:
    """Post what the page that asks would post; the page that is shown then."""
    return follow(client, client.post(address, {**fields, "post": "yes"}))


# Who may see what


@pytest.mark.parametrize("model", LISTS)
def test_list_is_for_staff_with_permission(
    web: Crowd, root: Client, reader: Callable[..., Client], model: str
) -> None:
    address = f"/admin/realtime/{model}/"
    assert root.get(address).status_code == 200
    assert reader(f"view_{model}").get(address).status_code == 200
    assert reader().get(address).status_code == 403
    for outsider in (Client(), login("customer")):
        response = outsider.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


def test_index_shows_what_may_be_viewed(root: Client, reader: Callable[..., Client]) -> None:
    def shown(client: Client) -> list[str]:
        return re.findall(r'id="realtime-(\w+)"', text(client.get("/admin/")))

    assert shown(root) == ["node", "room", "socket", "onlineuser"]
    assert shown(reader("view_room", "emit_room")) == ["room"]
    assert shown(reader()) == []
    # Nothing can be viewed with these alone.
    assert shown(reader("emit_socket")) == []


def test_reader_with_view_only_is_offered_nothing_else(
    web: Crowd, reader: Callable[..., Client]
) -> None:
    client = web.join("lobby")
    viewer = reader("view_room", "view_socket", "view_onlineuser")
    for address in (
        "/admin/realtime/room/",
        "/admin/realtime/socket/",
        room_page("lobby"),
        f"/admin/realtime/socket/view/?{urlencode({'sid': client.sid()})}",
    ):
        page = text(viewer.get(address))
        assert "lobby" in page or client.sid() in page
        for offer in ("action-select", 'name="action"', "realtime-emit", "close/", "disconnect/"):
            assert offer not in page


@pytest.mark.parametrize("lacks", ["emit_room", "disconnect_room", "disconnect_socket"])
def test_deed_without_its_permission_is_refused(
    web: Crowd, reader: Callable[..., Client], lacks: str
) -> None:
    client = web.join("lobby")
    everything = {"view_room", "emit_room", "disconnect_room", "disconnect_socket"}
    someone = reader(*sorted(everything - {lacks}))
    selected = {"_selected_action": client.sid(), "post": "yes"}
    posts = {
        "emit_room": [
            (room_page("lobby", "emit"), {"event": "x", "namespace": "/", "post": "yes"})
        ],
        "disconnect_room": [
            (room_page("lobby", "close"), {"post": "yes"}),
            (room_page("lobby"), {"action": "remove", **selected}),
            (
                "/admin/realtime/room/",
                {"action": "close", "_selected_action": "/,lobby", "post": "yes"},
            ),
        ],
        "disconnect_socket": [(room_page("lobby"), {"action": "disconnect", **selected})],
    }
    for address, fields in posts[lacks]:
        assert someone.post(address, fields).status_code == 403
    assert f"{client.sid()}" in text(someone.get(room_page("lobby")))
    assert client.log == [("connect", ())]
    assert not LogEntry.objects.exists()


def test_rooms_of_users_and_sockets_need_the_permission_for_these(
    web: Crowd, reader: Callable[..., Client]
) -> None:
    client = web.join("lobby")
    user = User.objects.create_user("ada")
    fields = {"event": "x", "arguments": "", "namespace": "/", "post": "yes"}
    rooms = {"emit_onlineuser": f"~auth.user:{user.pk}", "emit_socket": client.sid()}
    for permission, room in rooms.items():
        without = reader("view_room", "emit_room", *({*rooms} - {permission}))
        assert without.post(room_page(room, "emit"), fields).status_code == 403
        assert "realtime-emit" not in text(without.get(room_page(room)))
        allowed = reader(permission, "view_room", "emit_room")
        assert allowed.post(room_page(room, "emit"), fields).status_code == 302
    # An instance that is no user is a room like others.
    other = reader("view_room", "emit_room")
    assert other.post(room_page("~auth.group:1", "emit"), fields).status_code == 302


def test_deed_without_the_token_of_its_form_is_refused(web: Crowd, root: Client) -> None:
    client = web.join("lobby")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="root"))
    assert strict.post(room_page("lobby", "close"), {"post": "yes"}).status_code == 403
    assert client.sid() in text(root.get(room_page("lobby")))


# Lists


def test_rooms_are_searched_filtered_sorted_and_paged(web: Crowd, root: Client) -> None:
    big, small = web.connect("/"), web.connect("/")
    for number in range(105):
        web.run(big.call("join", f"hall {number:03}"))
    web.run(small.call("join", "hall 007"))

    def rooms(**query: str) -> list[str]:
        page = text(root.get("/admin/realtime/room/", query))
        return re.findall(r'class="field-name"><a [^>]+>([^<]+)</a>', page)

    assert rooms()[0] == "hall 007"
    assert len(rooms()) == 100
    by_name = [f"hall {number:03}" for number in range(105)]
    assert rooms(o="name") == by_name[:100]
    assert rooms(o="name", p="2") == by_name[100:]
    assert rooms(o="-name", p="2") == by_name[4::-1]
    # There is no such page, order or number: what can be shown is.
    assert rooms(o="name", p="77") == by_name[100:]
    assert rooms(o="color", p="one") == rooms()
    assert rooms(q="HALL 01", o="name") == by_name[10:20]
    assert rooms(q="nothing like that") == []
    assert rooms(kind="user") == []
    assert rooms(namespace="/elsewhere") == []
    page = text(root.get("/admin/realtime/room/", {"o": "name", "q": "hall"}))
    assert 'href="?q=hall&amp;o=name&amp;p=2"' in page
    assert 'href="?q=hall&amp;o=-name"' in page
    assert "105 rooms" in page


def test_names_of_any_characters_are_shown_and_found(web: Crowd, root: Client) -> None:
    client = web.join(ODD)
    page = root.get("/admin/realtime/room/").content.decode()
    assert "<script>alert(" not in page
    found = re.search(r'class="field-name"><a href="([^"]+)"', page)
    assert found
    detail = root.get(html.unescape(found[1]))
    assert client.sid() in text(detail)
    assert "<script>alert(" not in detail.content.decode()


def test_users_link_to_their_account_only_where_it_may_be_seen(
    web: Crowd, root: Client, reader: Callable[..., Client]
) -> None:
    ada = login("ada")
    web.join("lobby", session(ada))
    account = f'href="/admin/auth/user/{User.objects.get(username="ada").pk}/change/"'
    assert account in text(root.get(room_page("lobby")))
    page = text(reader("view_room").get(room_page("lobby")))
    assert account not in page
    assert "ada" in page


def test_fragment_is_the_region_and_nothing_around_it(web: Crowd, root: Client) -> None:
    web.join("lobby", session(login("ada")))
    for address in (*(f"/admin/realtime/{model}/" for model in LISTS), room_page("lobby")):
        page = text(root.get(address))
        inner = text(root.get(address, headers={"X-Realtime-Fragment": "1"}))
        assert "<html" not in inner
        assert "csrfmiddlewaretoken" not in inner
        assert 'id="result_list"' in inner
        region = re.search(r'<div id="realtime-live"[^>]*>(.*?)</div> </form>', page)
        assert region
        numbers = re.compile(r"[\d.,]+")  # rates and memory move on
        assert numbers.sub("", inner).strip() == numbers.sub("", region[1]).strip()


@pytest.mark.parametrize(
    "address",
    [
        ROOM_PAGE,
        f"{ROOM_PAGE}?namespace=chat&room=x",
        f"{ROOM_PAGE}?namespace=/&room={'x' * 300}",
        "/admin/realtime/socket/view/?sid=lobby",
        "/admin/realtime/onlineuser/view/?user=chat.room:1",
        "/admin/realtime/onlineuser/view/?user=no.model:1",
        "/admin/realtime/onlineuser/disconnect/?user=auth.user:",
    ],
)
def test_address_of_nothing_is_not_found(root: Client, address: str) -> None:
    assert root.get(address).status_code == 404


def test_primary_key_that_no_database_holds_is_a_name_like_any_other(root: Client) -> None:
    huge = "9" * 40
    assert root.get(room_page(f"~auth.user:{huge}")).status_code == 200
    assert root.get(room_page("~auth.user:seven")).status_code == 200
    assert root.get(f"/admin/realtime/onlineuser/view/?user=auth.user:{huge}").status_code == 200


# Deeds


def test_closing_a_room_asks_first_then_members_leave_and_it_is_logged(
    web: Crowd, root: Client
) -> None:
    members = [web.join(ODD) for _ in range(3)]
    address = room_page(ODD, "close")
    asked = text(root.get(address))
    assert "Are you sure?" in asked
    assert "3 members" in text(root.get(room_page(ODD)))

    after = yes(root, address, action="close", _selected_action=f"/,{ODD}")
    assert "3 sockets were removed." in after
    assert "Nobody is in this room." in after
    assert all(web.run(member.call("join", "elsewhere"))["ok"] for member in members)

    entry = LogEntry.objects.get()
    assert entry.change_message == "3 sockets were removed."
    assert entry.object_id == f"/,{ODD}"
    recent = re.search(r'class="changelink">.*?<a href="([^"]+)"', text(root.get("/admin/")))
    assert recent
    landed = root.get(html.unescape(recent[1]), follow=True)
    assert landed.status_code == 200
    assert "Nobody is in this room." in text(landed)
    history = re.search(r'href="([^"]+/history/)"', text(landed))
    assert history
    assert "3 sockets were removed." in text(root.get(html.unescape(history[1])))


def test_selected_members_are_removed_or_disconnected(web: Crowd, root: Client) -> None:
    stays, removed, sent_away = (web.join("lobby") for _ in range(3))
    sid = sent_away.sid()
    address = room_page("lobby")
    asked = text(root.post(address, {"action": "remove", "_selected_action": removed.sid()}))
    assert "Are you sure?" in asked
    assert removed.sid() in asked
    assert "1 socket was removed." in yes(
        root, address, action="remove", _selected_action=removed.sid()
    )
    assert "1 socket was disconnected." in yes(
        root, address, action="disconnect", _selected_action=[sid, "lobby", ""]
    )
    assert web.run(sent_away.next("disconnect"))
    page = text(root.get(address))
    assert stays.sid() in page
    assert "1 member" in page
    assert web.run(removed.call("join", "elsewhere"))["ok"]
    logged = LogEntry.objects.order_by("pk").values_list("object_id", "content_type__model")
    assert list(logged) == [("/,lobby", "room"), (sid, "socket")]


def test_action_on_nothing_or_of_no_name_changes_nothing(web: Crowd, root: Client) -> None:
    member = web.join("lobby")
    for fields in (
        {},
        {"action": "explode", "_selected_action": member.sid()},
        {"action": "disconnect"},
        {"action": "disconnect", "_selected_action": "lobby"},
    ):
        page = yes(root, room_page("lobby"), **fields)
        assert 'class="warning"' in page
    assert member.sid() in text(root.get(room_page("lobby")))
    assert not LogEntry.objects.exists()


def test_user_is_disconnected_everywhere(web: Crowd, root: Client) -> None:
    ada, grace = login("ada"), login("grace")
    tabs = [web.connect("/chat", "/", session=session(ada)) for _ in range(2)]
    other = web.connect("/chat", session=session(grace))
    key = f"auth.user:{User.objects.get(username='ada').pk}"
    users = text(root.get("/admin/realtime/onlineuser/"))
    assert re.findall(r'class="field-sockets">(\d+)', users) == ["4", "1"]
    page = text(root.get(f"/admin/realtime/onlineuser/view/?user={key}"))
    assert all(tab.sid(namespace) in page for tab in tabs for namespace in ("/chat", "/"))
    assert other.sid() not in page

    address = f"/admin/realtime/onlineuser/disconnect/?user={key}"
    assert "ada" in text(root.get(address))
    after = yes(root, address, action="disconnect_everywhere", _selected_action=key)
    assert "4 sockets were disconnected." in after
    assert "This user is not online." in after
    for tab in tabs:
        web.run(tab.next("disconnect"))
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr, entry.is_deletion()) == (key, "ada", True)
    assert "grace" in text(root.get("/admin/realtime/onlineuser/"))


def test_rooms_of_users_are_not_closed(web: Crowd, root: Client) -> None:
    web.connect("/", session=session(login("ada")))
    key = f"~auth.user:{User.objects.get(username='ada').pk}"
    for address in ("/admin/realtime/room/", room_page(key, "close")):
        page = yes(root, address, action="close", _selected_action=f"/,{key}")
        assert "Items must be selected" in page
    page = text(root.get("/admin/realtime/room/"))
    assert ">ada</a>" in page
    assert "action-select" not in page


def test_socket_page_shows_rooms_and_the_other_namespaces(web: Crowd, root: Client) -> None:
    client = web.connect("/", "/chat", session=session(login("ada")))
    web.run(client.call("join", ODD))
    address = f"/admin/realtime/socket/view/?{urlencode({'sid': client.sid('/')})}"
    page = root.get(address).content.decode()
    assert html.escape(ODD) in page
    assert urlencode({"namespace": "/", "room": ODD}).replace("&", "&amp;") in page
    assert urlencode({"sid": client.sid("/chat")}) in page
    web.run(client.disconnect())
    gone = f"/admin/realtime/socket/view/?{urlencode({'sid': '~0123456789.' + 'x' * 20})}"
    assert "no longer connected" in text(root.get(gone))


# Emitting


def test_event_is_emitted_once_it_was_confirmed(web: Crowd, root: Client) -> None:
    member, outsider = web.join("lobby"), web.join("elsewhere")
    fields = {"event": "news", "arguments": '["<b>", {"id": 7}]', "namespace": "/"}
    address = room_page("lobby", "emit")
    asked = text(root.post(address, fields))
    assert "Are you sure?" in asked
    assert "&lt;b&gt;" in asked
    assert re.search(r"Sockets</th><td><pre>1<", asked)
    assert member.waiting("news") == []
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked))
    confirmed = {name: html.unescape(value) for name, value in hidden.items()}
    assert "was emitted" in follow(root, root.post(address, confirmed))
    assert web.run(member.next("news")) == ("<b>", {"id": 7})
    assert outsider.waiting("news") == []
    entry = LogEntry.objects.get()
    assert entry.object_id == "/,lobby"
    assert "“news”" in entry.change_message


def test_form_by_itself_leads_back_to_the_room_and_the_list(web: Crowd, root: Client) -> None:
    web.join("lobby")
    page = text(root.get(room_page("lobby", "emit")))
    trail = re.search(r'<(div|ol) class="breadcrumbs">(.*?)</\1>', page, re.DOTALL)
    assert trail
    assert re.findall(r">([^<>]+)</a>", trail[2])[-2:] == ["Rooms", "lobby in /"]
    assert re.sub("<[^<>]+>", "", trail[2]).strip().endswith("Emit to lobby in /")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('{"a": 1}', "The arguments must be a list"),
        ('["a",\n oops]', "at line 2, column 2"),
        ("[NaN]", "This is not JSON"),
        ("[1e999]", "This is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_arguments_that_are_no_json_list_are_refused_with_the_reason(
    web: Crowd, root: Client, arguments: str, complaint: str
) -> None:
    member = web.join("lobby")
    fields = {"event": "news", "arguments": arguments, "namespace": "/", "post": "yes"}
    response = root.post(room_page("lobby", "emit"), fields)
    assert response.status_code == 200
    assert complaint in text(response)
    assert member.waiting("news") == []
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["", "connect", "disconnect", "x" * 201, "a\0b"])
def test_event_that_can_not_be_sent_is_refused(web: Crowd, root: Client, name: str) -> None:
    fields = {"event": name, "arguments": "", "namespace": "/", "post": "yes"}
    response = root.post(room_page("lobby", "emit"), fields)
    assert response.status_code == 200
    assert "errorlist" in text(response)


def test_event_reaches_a_user_in_the_chosen_namespace(web: Crowd, root: Client) -> None:
    client = web.connect("/", "/chat", session=session(login("ada")))
    address = (
        f"/admin/realtime/onlineuser/emit/?user=auth.user:{User.objects.get(username='ada').pk}"
    )
    assert '<option value="/chat">' in text(root.get(address))
    wrong = {"event": "news", "namespace": "/elsewhere", "post": "yes"}
    assert root.post(address, wrong).status_code == 200
    assert "was emitted" in yes(root, address, event="news", namespace="/chat")
    (offset,) = web.run(client.next("news", "/chat"))  # the chat's namespace recovers
    assert isinstance(offset, str)
    assert client.waiting("news", "/") == []


# As a part of a project


def test_models_without_tables_harm_no_command() -> None:
    call_command("makemigrations", "realtime", check=True, verbosity=0)
    call_command("dumpdata", "realtime", "--all", verbosity=0)
    assert not Room.objects.exists()
    assert not Permission.objects.filter(
        content_type__app_label="realtime", codename__regex="^(add|change|delete)_"
    ).exists()


def test_admin_site_of_ones_own_shows_what_it_registers(
    web: Crowd, root: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = __name__
    client = web.join("lobby", session(login("ada")))
    page = text(root.get("/ops/realtime/room/"))
    assert "/ops/realtime/room/view/?" in page
    assert 'href="/admin/' not in page
    detail = text(root.get("/ops/realtime/room/view/?namespace=/&room=lobby"))
    assert client.sid() in detail
    assert "/realtime/socket/" not in detail
    assert "/auth/user/" not in detail
    assert "1 socket was removed." in yes(
        root,
        "/ops/realtime/room/close/?namespace=/&room=lobby",
        action="close",
        _selected_action="/,lobby",
    )
