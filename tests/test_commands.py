"""The command line of `manage.py realtime`, without a server."""

import io
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.management import CommandError, CommandParser, call_command
from django.core.management.color import no_style

from realtime.doctor import diagnoses, policy
from realtime.doctor.namespace import MAX_AGE, SALT, new_token, room_of
from realtime.doctor.site import Answer, Site, parse_site
from realtime.exceptions import ConnectionRefused
from realtime.management.commands.realtime import SUBCOMMANDS
from realtime.management.subcommands import listing, targets
from realtime.management.subcommands.base import NO_LAYER, USAGE, Output, width
from realtime.management.subcommands.values import duration_text, size_text
from realtime.operations.reports import SocketInfo, UserInfo

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
SID = "~abcdefghij.abcdefghijklmnopqrst"


def run(*arguments: str, **options: Any) -> str:
    stdout = io.StringIO()
    call_command("realtime", *arguments, stdout=stdout, **options)
    return stdout.getvalue()


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value


# The documentation


def test_docs_list_the_subcommands_in_their_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| \w+", DOCUMENT.read_text().partition("\n## ")[0], re.M)
    assert rows == list(SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_docs_have_every_option(name: str) -> None:
    parser = CommandParser()
    SUBCOMMANDS[name].add_arguments(parser)
    options = {o for a in parser._actions for o in a.option_strings} - {"-h", "--help"}
    text = DOCUMENT.read_text()
    absent = {option for option in options if not re.search(rf"`[^`]*{option}\b", text)}
    assert absent <= {"--noinput"}


# What can't be understood, or done


@pytest.mark.parametrize(
    "arguments",
    [
        "status --watch 0",
        "status --timeout -1",
        "rooms --limit 20000",
        "rooms --offset -1",
        "rooms --namespace chat",
        "sockets --sid abc",
        "sockets --namespace chat",
        "emit connect",
        "emit news hello",
        "emit news NaN",
        "emit news --to " + "x" * 300,
        "join ~auth.user:7 --to lobby",
        "leave lobby --namespace / --all-namespaces",
        "disconnect",
        "disconnect --all-namespaces --json",
        "drain",
        "drain --all abc",
        "drain abc --resume --wait",
        "doctor --url ftp://example.com",
        "doctor --timeout 0",
    ],
)
def test_command_line_is_refused_when_it_makes_no_sense(arguments: str) -> None:
    assert refused(*arguments.split()).returncode == USAGE


@pytest.mark.usefixtures("real_layer")
@pytest.mark.parametrize(
    "arguments",
    [
        "status",
        "rooms",
        "sockets",
        "emit news 1",
        f"emit news 1 --sid {SID}",
        "join lobby --to all",
        "leave lobby",
        "disconnect --to lobby",
        "disconnect --namespace /",
        "drain abc",
    ],
)
def test_exit_code_says_that_no_layer_reaches_the_servers(arguments: str, settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    error = refused(*arguments.split())
    assert error.returncode == NO_LAYER
    assert "configure channels_redis" in str(error)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": }', '  {"a": }\n        ^'),
        ("[1,\n  2,,\n3]", "    2,,\n      ^"),
        ("x" * 500 + "}", "^"),
        ("", "  \n  ^"),
    ],
)
def test_mistake_in_json_is_shown_at_its_place(text: str, place: str) -> None:
    error = refused("emit", "news", "1", text)
    assert str(error).startswith("argument 2 is not JSON")
    assert place in str(error)
    assert max(map(len, str(error).splitlines())) < 120


def test_word_that_is_no_json_is_answered_with_what_to_write() -> None:
    assert "'\"hello\"', or use --text" in str(refused("emit", "news", "hello"))


# Whom


@pytest.mark.django_db
def test_user_is_found_by_name_and_by_key() -> None:
    ada = User.objects.create_user("ada")
    for name in ("ada", str(ada.pk), f"pk:{ada.pk}"):
        assert targets.find_user(name) == ada
    grace = User.objects.create_user(str(ada.pk))
    assert targets.find_user(f"pk:{ada.pk}") == ada
    with pytest.raises(CommandError, match=f"write pk:{grace.pk} or pk:{ada.pk}") as caught:
        targets.find_user(str(ada.pk))
    assert caught.value.returncode == USAGE
    for name in ("nobody", "pk:nobody", "9" * 40):
        with pytest.raises(CommandError, match="there is no user"):
            targets.find_user(name)


@pytest.mark.parametrize(
    ("options", "namespace"),
    [
        ({}, "/"),
        ({"to": ["a"]}, "/"),
        ({"sid": [SID[1:]]}, None),
        ({"sid": [SID], "to": ["a"]}, "/"),
        ({"sid": [SID], "namespace": "/chat"}, "/chat"),
        ({"to": ["a"], "all_namespaces": True}, None),
    ],
)
def test_namespace_is_the_default_one_unless_a_sid_alone_says_it(
    options: dict[str, Any], namespace: str | None
) -> None:
    found = targets.targets({"to": [], "user": [], "sid": [], "namespace": None} | options)
    assert found.namespace == namespace
    expected = [*options.get("to", []), *([SID] if "sid" in options else [])]
    assert found.to == (expected or None)


# What is printed


def test_table_is_aligned_and_obeys_no_name_in_it() -> None:
    lines: list[str] = []
    output = Output(lines.append, no_style(), is_json=False)
    rows = [("\x1b[2J\u202eroom", 7), ("日本", 12_345), ("e\u0301", 0)]
    output.table(("ROOM", "N"), rows, right=("N",))
    assert {width(line) for line in lines} == {24}
    assert lines[1].split() == ["\\x1b[2J\\u202eroom", "7"]
    assert [line.split()[0] for line in lines[2:]] == ["日本", "e\u0301"]
    assert lines[2].endswith("  12345")


def test_numbers_are_as_people_read_them() -> None:
    assert [duration_text(s) for s in (-1, 8, 65, 3_600, 90_061)] == [
        "0s", "8s", "1m 5s", "1h 0m", "1d 1h",
    ]  # fmt: skip
    assert [size_text(s) for s in (0, 310, 12_500, 85e6, 2.34e9)] == [
        "0 B", "310 B", "12.5 kB", "85.0 MB", "2.3 GB",
    ]  # fmt: skip


# The doctor


def test_token_opens_its_own_room_and_no_other(settings: Any) -> None:
    token, room = new_token()
    assert room_of(token) == room
    assert new_token()[1] != room
    settings.SECRET_KEY = "another"
    with pytest.raises(ConnectionRefused) as caught:
        room_of(token)
    assert caught.value.data == {"code": "forged"}


class OldSigner(signing.TimestampSigner):
    def timestamp(self) -> str:
        return signing.b62_encode(int(time.time()) - MAX_AGE - 1)


@pytest.mark.parametrize(
    "token",
    [None, "", "a", 7, {"a": 1}, ["a"], b"a", signing.dumps("room"), signing.dumps("x", salt="y")],
    ids=["none", "empty", "text", "number", "dict", "list", "bytes", "no salt", "another salt"],
)
def test_token_that_was_not_signed_for_this_is_refused(token: Any) -> None:
    with pytest.raises(ConnectionRefused) as caught:
        room_of(token)
    assert caught.value.data == {"code": "forged"}


def test_token_is_refused_when_it_is_old() -> None:
    with pytest.raises(ConnectionRefused) as caught:
        room_of(OldSigner(salt=SALT).sign_object("doctor:a"))
    assert caught.value.data == {"code": "expired"}


def site(url: str) -> Site:
    return parse_site(url, verify=True, patience=1)


def test_address_is_read_as_people_type_it() -> None:
    for url, origin, path in [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "/socket.io/"),
        ("example.com", "http://example.com", "/socket.io/"),
        ("https://Example.com/app/", "https://example.com", "/app/socket.io/"),
        ("https://example.com:8443", "https://example.com:8443", "/socket.io/"),
        ("ws://[::1]:80/", "http://[::1]", "/socket.io/"),
    ]:
        assert (site(url).origin, site(url).path()) == (origin, path)
    for url in ("ftp://example.com", "https://", "http://a?b", "http://a:b"):
        with pytest.raises(ValueError):
            site(url)


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ("", None),
        ("script-src 'none'", None),
        ("default-src 'self'", None),
        ("default-src 'none'", "default-src 'none'"),
        ("default-src 'none'; connect-src 'self'", None),
        ("default-src 'self'; connect-src", "connect-src"),
        ("default-src 'self'; connect-src https://other.com", "connect-src https://other.com"),
        ("connect-src https://example.com wss://example.com", None),
        ("connect-src *.example.com", "connect-src *.example.com"),
        ("connect-src wss:", None),
        ("connect-src *, connect-src 'none'", "connect-src 'none'"),
    ],
)
def test_policy_is_read_as_browsers_do(header: str, refused: str | None) -> None:
    assert policy.refuses(header, site("https://example.com")) == refused


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers=headers, body=content)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (answer(404, b"<h1>Not found"), "realtime.asgi.get_asgi_application()"),
        (answer(200, b"<h1>Welcome"), 'REALTIME["PATH"]'),
        (answer(301, location="https://example.com/"), "redirects to https://example.com/"),
        (answer(400, b"<h1>Bad Request"), "ALLOWED_HOSTS"),
        (answer(401), "password"),
        (answer(502, b"Bad Gateway"), "can't reach a server"),
    ],
)
def test_unexpected_health_answer_is_explained(found: Answer, word: str) -> None:
    ailment = diagnoses.not_live(site("http://example.com"), found)
    assert word in f"{ailment} {ailment.hint}"


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (answer(403, {"code": 4, "message": "add it to CSRF_TRUSTED_ORIGINS"}), "CSRF_TRUSTED_"),
        (answer(400, {"code": 0, "message": "Transport unknown"}), "TRANSPORTS"),
        (answer(400, {"code": 1, "message": "Session ID unknown"}), "sticky"),
        (answer(429, {"code": 3, "message": "Too many connections"}), "CONNECTION_RATE"),
        (answer(503, {"code": 3, "message": "Server shutting down"}), "shutting down"),
        (answer(500, b"oops"), "oops"),
    ],
)
def test_unexpected_answer_to_a_poll_is_explained(found: Answer, word: str) -> None:
    ailment = diagnoses.no_handshake(site("http://example.com"), found)
    assert word in f"{ailment} {ailment.hint}"


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (answer(400, {"code": 3, "message": "Bad request"}), "proxy_set_header Upgrade"),
        (answer(403), "CONNECTION_RATE"),
        (answer(404), "proxy_set_header Upgrade"),
        (answer(502), "can't reach a server"),
    ],
)
def test_unexpected_answer_to_a_websocket_is_explained(found: Answer, word: str) -> None:
    ailment = diagnoses.no_websocket(site("http://example.com"), found)
    assert word in f"{ailment} {ailment.hint}"


@pytest.mark.parametrize(
    ("rooms", "shown"),
    [
        ((), "-"),
        (("~auth.user:7",), "-"),  # the user's own, which the user's column says
        (("~auth.user:7", "~shop.order:5"), "~shop.order:5"),
        (("~shop.order:5", "lobby"), "lobby, ~shop.order:5"),
        (("~auth.user:8", "~shop.order:5", "a", "b"), "a, b, ~auth.user:8, 1 more"),
    ],
)
def test_rooms_of_instances_are_listed(rooms: tuple[str, ...], shown: str) -> None:
    socket = SocketInfo(
        sid=SID,
        namespace="/",
        rooms=rooms,
        user=UserInfo(model="auth.user", pk="7", name="ada"),
        transport="websocket",
        address=None,
        since=datetime.now(UTC),
        data={},
        node="node",
        outbox_messages=0,
        outbox_bytes=0,
    )
    assert listing._socket_row(socket)[-1] == shown
