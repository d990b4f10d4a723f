"""Emits where the channel layer is in memory: within the process, and nowhere else."""

import asyncio

import pytest

from tests.live.clients import post
from tests.live.conftest import Connect
from tests.live.servers import Server, manage


@pytest.mark.parametrize("view", ["emit", "aemit", "thread"])
async def test_emit_from_a_view_reaches_the_clients_of_its_process(
    connect: Connect, server: Server, room: str, view: str
) -> None:
    member, stranger = await connect(server, auth={"rooms": [room]}), await connect(server)
    await post(f"{server.url}/{view}/", event="news", args=[1, "two"], to=room)
    assert await member.next("news") == (1, "two")
    await post(f"{server.url}/{view}/", event="end", args=[])
    await stranger.next("end")
    assert stranger.waiting("news") == []


async def test_emit_on_commit_leaves_with_the_commit(
    connect: Connect, server: Server, room: str
) -> None:
    member = await connect(server, auth={"rooms": [room]})
    await post(f"{server.url}/roll-back/", event="rolled back", args=[], to=room)
    await post(f"{server.url}/commit/", event="committed", args=[], to=room)
    await member.next("committed")
    assert [event for event, _ in member.log[-3:]] == ["welcome", "before", "committed"]


async def test_emit_from_another_process_says_what_to_do() -> None:
    done = await asyncio.to_thread(manage, "site_emit", "plain", "a room", environment={})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("realtime.exceptions.ChannelLayerError: ")
    assert "'default' is in memory" in last
    assert "channels_redis" in last
