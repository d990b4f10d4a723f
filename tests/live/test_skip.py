"""`emit(skip=request)` leaves out the page that made the request, and nobody else."""

import asyncio
from typing import Any

import pytest

from realtime.node.actors import HEADER
from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect
from tests.live.servers import Server

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("view", ["emit", "aemit", "commit"])
async def test_page_that_acted_is_left_out_and_no_invented_one(
    connect: Connect, cluster: list[Server], view: str, room: str
) -> None:
    here, there = cluster
    ada, grace = await asyncio.gather(log_in(here.url, "ada"), log_in(there.url, "grace"))
    acting: Client = await connect(here, "/", "/talk/x", headers=ada, auth={"rooms": [room]})
    other_tab: Client = await connect(there, headers=ada, auth={"rooms": [room]})
    victim: Client = await connect(here, headers=grace, auth={"rooms": [room]})
    guest: Client = await connect(there, auth={"rooms": [room]})
    sids = f"{acting.sid()},{acting.sid('/talk/x')},{victim.sid()},{guest.sid()},{room}"

    async def act(url: str, word: str, namespace: str = "/", **headers: str) -> None:
        order: dict[str, Any] = {"to": room, "namespace": namespace, "skip_request": True}
        named = {HEADER: sids, **headers}
        assert await post(f"{url}/{view}/", headers=named, event=word, args=[], **order) == {}

    # Through either process, whichever holds the page.
    for server in cluster:
        await act(server.url, "by ada", **ada)
        await act(server.url, "by ada", "/talk/x", **ada)
        for client in (other_tab, victim, guest):
            assert await client.next("by ada") == ()
        await act(server.url, "by a guest")
        for client in (acting, other_tab, victim):
            assert await client.next("by a guest") == ()
    await act(there.url, "by grace", **grace)
    for client in (acting, other_tab, guest):
        assert await client.next("by grace") == ()
    assert acting.waiting("by ada") == acting.waiting("by ada", "/talk/x") == []
    assert victim.waiting("by grace") == guest.waiting("by a guest") == []
