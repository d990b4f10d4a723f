"""`manage.py realtime` in a process of its own, beside two server processes on one Redis."""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from socketio.exceptions import ConnectionError

from realtime.doctor.namespace import NAMESPACE, new_token
from realtime.node import rooms
from tests.live.clients import Client, log_in
from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.nginx import Nginx
from tests.live.servers import Redis, Server, WSGIWorker, eventually, manage
from tests.ports import free_port
from tests.site.layers import SITE

pytestmark = pytest.mark.redis

TOPICS = [
    "settings", "address", "ready", "layer", "site", "nodes", "versions", "clocks", "origin",
    "polling", "websocket", "upgrade", "events", "emit", "policy",
]  # fmt: skip


def node_of(client: Client) -> str:
    return rooms.node_of(client.sid()) or ""


class Shell:
    """Runs the command as an operator does; in this process, unless a test says otherwise."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    async def run(self, *arguments: str, code: int = 0) -> str:
        """What is printed, on both outputs; `code` is the exit code that is expected."""
        printed, returned = await asyncio.to_thread(_call, arguments)
        assert returned == code, printed
        return printed

    async def process(self, *arguments: str, code: int = 0, typed: str = "") -> str:
        """The same in a process of its own, with an answer to its question."""
        done = await asyncio.to_thread(
            manage, "realtime", *arguments, environment=self._environment, typed=typed
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + (done.stderr if code else "")

    async def json(self, subcommand: str, *arguments: str, code: int = 0) -> Any:
        printed = await self.run(subcommand, "--json", *arguments, code=code)
        return json.JSONDecoder().raw_decode(printed)[0]


def _call(arguments: tuple[str, ...]) -> tuple[str, int]:
    printed = io.StringIO()
    try:
        call_command("realtime", *arguments, stdout=printed)
    except CommandError as error:
        return f"{printed.getvalue()}{error}", error.returncode
    return printed.getvalue(), 0


@pytest.fixture
def shell(environment: dict[str, str], outside: None) -> Shell:
    return Shell(environment)


# Looking


@pytest.mark.any_layer
async def test_status_has_every_node(connect: Connect, cluster: list[Server], shell: Shell) -> None:
    clients = [await connect(server) for server in cluster]
    ids = set(map(node_of, clients))
    report = await shell.json("status", "--timeout", "20")
    found = {node["id"]: node for node in report["nodes"] if node["id"] in ids}
    assert set(found) == ids
    assert all(node["healthy"] and node["stats"]["sockets"] >= 1 for node in found.values())
    assert report["totals"]["sockets"] >= 2
    table = (await shell.process("status")).splitlines()
    assert table[0].split() == [
        "NODE", "HOST", "PID", "VERSION", "UP", "SOCKETS", "ROOMS", "IN/S", "OUT/S", "MEMORY",
        "LOST", "STATE",
    ]  # fmt: skip
    assert ids <= {line.split()[0] for line in table if line.endswith("healthy")}
    assert table[-1] == f"This is the site {SITE!r} (database 0, prefix 'asgi')."
    assert report["site"] == SITE


@pytest.mark.any_layer
async def test_rooms_and_sockets_of_all_nodes_are_listed(
    connect: Connect, cluster: list[Server], shell: Shell, topic: str
) -> None:
    ada = await log_in(cluster[0].url, "ada")
    first = await connect(cluster[0], topic, auth={"rooms": ["big", "small"]}, headers=ada)
    second = await connect(cluster[1], topic, auth={"rooms": ["big"]})
    page = await shell.json("rooms", "--namespace", topic, "--kind", "room")
    assert [(room["name"], room["sockets"]) for room in page["rooms"]] == [("big", 2), ("small", 1)]
    lines = (await shell.run("rooms", "--namespace", topic, "--search", "SMA")).splitlines()
    assert lines[1].split() == [topic, "small", "room", "1", "1", "0"]
    assert lines[2] == "1 to 1 of 1 room"
    for options, expected in [
        (["--to", "big", "--sort", "since"], [first, second]),
        (["--room", "big", "--sort", "since", "--reverse"], [second, first]),
        ([f"--sid={second.sid()[1:]}"], [second]),
        (["--to", "nowhere"], []),
    ]:
        page = await shell.json("sockets", "--namespace", topic, *options)
        assert [each["sid"] for each in page["sockets"]] == [each.sid() for each in expected]
    table = (await shell.process("sockets", "--user", "ada", "--namespace", topic)).splitlines()
    assert table[1].split()[:3] == [first.sid(), topic, "ada"]
    assert table[1].endswith("big, small")


# Steering


@pytest.mark.any_layer
async def test_event_is_emitted_to_whom_the_options_name(
    connect: Connect, cluster: list[Server], shell: Shell, topic: str
) -> None:
    ada = await log_in(cluster[0].url, "ada")
    clients = [
        await connect(server, topic, auth={"rooms": ["lobby"]}, headers=ada) for server in cluster
    ]
    there = ["--namespace", topic]
    await shell.run("emit", "news", '{"a": [1.5, "ä"]}', "null", "--to", "lobby", *there)
    await shell.process("emit", "news", "1", "--user", "ada", *there)
    await shell.run("emit", "news", "hello", "--text", *there)
    for client in clients:
        assert [await client.next("news") for _ in range(3)] == [
            ({"a": [1.5, "ä"]}, None),
            (1,),
            ("hello",),
        ]
    said = await shell.run("emit", "news", "2", f"--sid={clients[0].sid()[1:]}")
    assert topic not in said
    assert await clients[0].next("news") == (2,)


@pytest.mark.any_layer
async def test_sockets_join_leave_and_go(
    connect: Connect, cluster: list[Server], shell: Shell, topic: str
) -> None:
    ada = await log_in(cluster[0].url, "ada")
    clients = [
        await connect(cluster[n % 2], topic, headers=ada if n == 2 else {}) for n in range(3)
    ]
    there = ["--namespace", topic]
    assert await shell.process("join", "club", "--user", "ada", *there) == "1 socket added.\n"
    asked = await shell.process("join", "club", *there, typed="yes\n")
    assert "Add 3 sockets (everyone in namespace" in asked
    assert "2 sockets added." in asked
    assert (await shell.json("leave", "club", *there))["sockets"] == 3
    assert await shell.run("disconnect", "--sid", clients[0].sid()) == "1 socket disconnected.\n"
    for typed in ("n\n", ""):
        said = await shell.process("disconnect", *there, code=1, typed=typed)
        assert "2 sockets (everyone in" in said
        assert "Nothing was done" in said
    assert (await shell.json("disconnect", *there, "--no-input"))["sockets"] == 2
    assert (await shell.json("sockets", *there))["total"] == 0


@pytest.mark.any_layer
async def test_node_drains_and_takes_connections_again(
    connect: Connect, farm: Farm, shell: Shell, environment: dict[str, str]
) -> None:
    (server,) = await asyncio.to_thread(lambda: farm.own("uvicorn", **environment))
    client = await connect(server)
    node = node_of(client)
    (found,) = [n for n in (await shell.json("status"))["nodes"] if n["id"] == node]
    said = await shell.run("drain", f"{found['host']}:{found['pid']}", "--wait")
    assert said.startswith(f"{node} is draining: 1 connection\n")
    assert said.endswith("Drained.\n")
    ill = errors(await shell.json("doctor", "--url", server.url, code=1))
    assert "draining" in ill["ready"]
    assert "shutting down" in ill["polling"]
    again = await shell.json("drain", "--resume", "--", node)
    assert again == {"connections": {node: 0}, "failures": {}}
    await connect(server)
    await asyncio.to_thread(farm.end, server)
    assert f"no node '{node}' answered" in await shell.run("drain", "--", node, code=1)


# The doctor


def errors(report: Any) -> dict[str, str]:
    """What is wrong, by topic, with what to change."""
    return {
        finding["topic"]: f"{finding['text']} {finding['hint']}"
        for finding in report["findings"]
        if finding["level"] == "error"
    }


Doctor = Callable[..., Any]


@pytest.fixture
def doctor(outside: None) -> Doctor:
    """Examines from this process, which is one of the site's, with any settings."""

    def doctor(url: str, *options: str) -> Any:
        printed, code = _call(("doctor", "--json", "--url", url, *options))
        report = json.JSONDecoder().raw_decode(printed)[0]
        assert code == bool(report["errors"])
        return report

    return doctor


@pytest.mark.parametrize("number", [0, 1], ids=["daphne", "uvicorn"])
async def test_doctor_finds_nothing_where_nothing_is_wrong(
    cluster: list[Server], shell: Shell, number: int
) -> None:
    url = cluster[number].url
    lines = (await shell.process("doctor", "--url", url)).splitlines()
    assert [line.split()[:2] for line in lines[1:-1]] == [["ok", topic] for topic in TOPICS]
    assert lines[-1] == "Everything works."


@pytest.mark.nginx
@pytest.mark.any_layer
def test_doctor_goes_through_nginx_to_all_nodes(
    cluster: list[Server], doctor: Doctor, farm: Farm
) -> None:
    nginx = Nginx(farm.folder("nginx"), cluster)
    farm.run(nginx)
    assert not errors(doctor(nginx.url))
    farm.end(nginx)


@pytest.mark.nginx
@pytest.mark.any_layer
def test_doctor_says_what_a_proxy_does_not_pass_on(
    cluster: list[Server], doctor: Doctor, farm: Farm
) -> None:
    nginx = Nginx(farm.folder("nginx"), cluster)
    spoil(
        nginx.log.parent / "site.conf",
        ("proxy_set_header Upgrade $http_upgrade;", ""),
        (
            "proxy_buffering off;",
            "add_header Content-Security-Policy \"default-src 'none'\" always;",
        ),
    )
    farm.run(nginx)
    ill = errors(doctor(nginx.url))
    assert set(ill) == {"websocket", "policy"}
    assert "proxy_set_header Upgrade $http_upgrade" in ill["websocket"]
    assert "connect-src" in ill["policy"]
    farm.end(nginx)


def spoil(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.nginx
@pytest.mark.any_layer
def test_doctor_says_that_polls_need_a_relay_or_sticky_sessions(
    doctor: Doctor, farm: Farm, environment: dict[str, str]
) -> None:
    servers = farm.own("uvicorn", "uvicorn", LIVE_RELAY="no", **environment)
    nginx = Nginx(farm.folder("nginx"), servers)
    farm.run(nginx)
    # Round robin by nginx's workers: a session that stays where it is by chance has nothing wrong.
    reports: list[dict[str, str]] = []

    def polling_is_ill() -> bool:
        reports.append(errors(doctor(nginx.url)))
        return "polling" in reports[-1]

    eventually(polling_is_ill, lambda: f"polling works: {reports}")
    assert "sticky" in reports[-1]["polling"]
    farm.end(nginx, *servers)


@pytest.mark.any_layer
def test_doctor_says_where_nothing_listens(doctor: Doctor, cluster: list[Server]) -> None:
    ill = errors(doctor(f"http://127.0.0.1:{free_port()}"))
    assert set(ill) == {"address"}
    assert "nothing listens" in ill["address"]
    assert "no host" in errors(doctor("http://nowhere.invalid"))["address"]
    plain = f"https://127.0.0.1:{cluster[0].port}"
    assert "does not speak TLS" in errors(doctor(plain, "--timeout", "2"))["address"]


@pytest.mark.any_layer
def test_doctor_says_what_answers_there_instead(
    doctor: Doctor, cluster: list[Server], farm: Farm, environment: dict[str, str]
) -> None:
    worker = WSGIWorker(farm.folder("wsgi"), environment)
    farm.run(worker)
    for url in (f"{cluster[0].url}/elsewhere", worker.url):
        ill = errors(doctor(url))
        assert set(ill) == {"address"}
        assert "not realtime" in ill["address"]
        assert "get_asgi_application" in ill["address"]
    farm.end(worker)


def test_doctor_says_that_redis_is_down(
    doctor: Doctor, cluster: list[Server], redis_server: Redis, settings: Any
) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    settings.CHANNEL_LAYERS = {
        "default": {**settings.CHANNEL_LAYERS["default"], "CONFIG": {"hosts": [away]}}
    }
    report = doctor(cluster[0].url)
    ill = errors(report)
    assert set(ill) == {"layer"}
    assert "Is Redis running" in ill["layer"]
    assert report["findings"][-2]["level"] == "left out"


def test_doctor_says_that_the_site_is_on_another_layer(
    doctor: Doctor, cluster: list[Server], redis_server: Redis, settings: Any
) -> None:
    config = {"hosts": [redis_server.url], "prefix": "elsewhere"}
    settings.CHANNEL_LAYERS = {"default": {**settings.CHANNEL_LAYERS["default"], "CONFIG": config}}
    ill = errors(doctor(cluster[0].url, "--timeout", "3"))
    assert set(ill) == {"nodes", "places", "emit"}
    assert "no node answered" in ill["nodes"]
    assert "prefix" in ill["places"]


def test_doctor_says_which_setting_is_another_one_there(
    doctor: Doctor, cluster: list[Server], settings: Any
) -> None:
    with override_settings(SECRET_KEY="another"):
        ill = errors(doctor(cluster[0].url))
    assert set(ill) == {"polling", "websocket"}
    assert "SECRET_KEY" in ill["websocket"]
    with override_settings(REALTIME={"SITE": SITE, "PARSER": "msgpack"}):
        assert "PARSER" in errors(doctor(cluster[0].url))["polling"]
    with override_settings(REALTIME={"SITE": SITE, "PATH": "/io/"}):
        assert "PATH" in errors(doctor(cluster[0].url))["address"]


def test_doctor_names_the_setting_that_refuses_the_sites_own_pages(
    doctor: Doctor, cluster: list[Server], logs: Logs
) -> None:
    ill = errors(doctor(f"http://127.1:{cluster[0].port}"))
    logs.expect("DisallowedHost")  # Django's page says it, too
    assert set(ill) == {"origin", "policy"}
    assert "ALLOWED_HOSTS" in ill["policy"]
    assert "ALLOWED_HOSTS" in ill["origin"]


def test_doctor_warns_of_a_layer_in_memory(server: Server) -> None:
    command = ["realtime", "doctor", "--json", "--url", server.url]
    done = manage(*command, environment={})
    assert done.returncode == 0, done.stderr
    levels = {finding["topic"]: finding["level"] for finding in json.loads(done.stdout)["findings"]}
    assert {topic for topic, level in levels.items() if level == "warning"} == {"layer"}
    assert levels["emit"] == "left out"
    assert manage(*command, "--fail-level", "WARNING", environment={}).returncode == 1


async def test_strangers_are_refused_and_guests_hear_only_themselves(
    connect: Connect, cluster: list[Server], logs: Logs
) -> None:
    token, room = new_token()
    for auth in (None, {}, {"token": "x"}, {"token": room}, {"token": token[:-1]}):
        with pytest.raises(ConnectionError):
            await connect(cluster[0], NAMESPACE, auth=auth)
    guests = [await connect(server, NAMESPACE, auth={"token": token}) for server in cluster]
    other = await connect(cluster[0], NAMESPACE, auth={"token": new_token()[0]})
    assert await guests[0].call("echo", "hi") == {"text": "hi", "node": node_of(guests[0])}
    for wrong in ("x" * 101, 7, {"a": 1}):
        code = (await guests[0].call("echo", wrong))["error"]["code"]
        assert code in ("bad_text", "bad_arguments")
    await other.emit("say", "mine")
    await guests[0].emit("say", "ours")
    assert await other.next("said") == ("mine",)
    for guest in guests:
        assert await guest.next("said") == ("ours",)
