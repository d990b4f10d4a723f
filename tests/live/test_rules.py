"""Rooms that clients join by rules, on a site of two processes."""

import asyncio
import subprocess
import uuid
from typing import Any

import pytest

from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect, Logs
from tests.live.servers import Server, manage
from tests.live.test_javascript import finish, script

pytestmark = pytest.mark.redis


@pytest.fixture
def name() -> str:
    """A list of this test's own."""
    return f"list {uuid.uuid4().hex}"


async def change(server: Server, *args: str) -> int:
    pk: int = (await post(f"{server.url}/change-list/", event="", args=list(args)))["pk"]
    return pk


async def member(connect: Connect, server: Server, name: str, pk: int) -> Client:
    client = await connect(server, "/lists", headers=await log_in(server.url, name))
    assert (await client.call("room:join", f"lists.{pk}"))["room"] == f"lists.{pk}"
    return client


async def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


@pytest.mark.node
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_stock_client_is_out_when_it_may_no_longer_be_in(
    connect: Connect, cluster: list[Server], kind: str, name: str, logs: Logs
) -> None:
    near, far = cluster if kind == "daphne" else cluster[::-1]
    pk = await change(far, name, "add", "ada", "grace")
    grace = await member(connect, far, "grace", pk)
    cookie = (await log_in(near.url, "ada"))["Cookie"]
    try:
        with script("rules", near, LIST=str(pk), COOKIE=cookie, TRANSPORTS="websocket") as ada:
            heard: Any = await said(ada)
            assert heard == "joined", heard + ada.communicate()[0]
            for number, (event, to) in enumerate(
                [("to the instance", f"~auth.group:{pk}"), ("to the name", f"lists.{pk}")], 1
            ):
                await post(
                    f"{far.url}/emit/", event=event, args=[number], to=to, namespace="/lists"
                )
            assert await said(ada) == "heard"
            await change(far, name, "remove", "ada")
            assert await said(ada) == "out"
            await post(
                f"{far.url}/emit/",
                event="to the instance",
                args=[3],
                to=f"~auth.group:{pk}",
                namespace="/lists",
            )
            # Presence tells the others, when the grace period is over.
            left: list[Any] = []
            while not left:
                room, differences = await grace.next("presence:diff")
                assert room == f"lists.{pk}"
                left = differences["left"]
            assert [person["name"] for person in left] == ["ada"]
            await change(far, "banned", "add", "ada")
            finish(ada)
    finally:
        await change(far, "banned", "remove", "ada")
        await change(far, name, "delete")
    assert grace.waiting("disconnect") == []
    logs.expect("the rule has a bug")


async def test_process_without_a_server_has_rules_asked_again_everywhere(
    connect: Connect, cluster: list[Server], environment: dict[str, str], name: str
) -> None:
    pk = await change(cluster[0], f"open {name}", "save")
    clients = [await member(connect, server, "ada", pk) for server in cluster]
    code = (
        "from django.contrib.auth.models import Group; from realtime import recheck;"
        f" Group.objects.filter(pk={pk}).update(name='{name}'); recheck(Group(pk={pk}))"
    )
    done = await asyncio.to_thread(manage, "shell", "-c", code, environment=environment)
    assert done.returncode == 0, done.stderr
    for client in clients:
        room, why = await client.next("room:left")
        assert (room, why["code"]) == (f"lists.{pk}", "forbidden")
    await change(cluster[0], name, "delete")
