"""The admin's pages in a process without a server, as in a WSGI worker."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client as Browser

from tests.live.conftest import Connect, Logs
from tests.live.farm import Farm
from tests.live.servers import Redis, Server
from tests.site.layers import SITE, channel_layers

pytestmark = [
    pytest.mark.redis,
    pytest.mark.usefixtures("outside"),
    pytest.mark.django_db(transaction=True),
]


async def open_page(address: str, **fields: Any) -> str:
    """What the superuser sees there or, with fields, after having posted them."""
    return await asyncio.to_thread(_open_page, address, fields)


def _open_page(address: str, fields: dict[str, Any]) -> str:
    root, _ = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)
    browser = Browser()
    browser.force_login(root)
    if fields:
        response = browser.post(address, {**fields, "post": "yes"}, follow=True)
    else:
        response = browser.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def row_of(page: str, name: str) -> str:
    [row] = [row for row in re.findall(r"<tr data-key.*?</tr>", page) if name in row]
    return row


async def test_room_on_two_processes_is_one_and_is_steered(
    cluster: list[Server], connect: Connect, topic: str, room: str
) -> None:
    members = [
        await connect(server, topic, auth={"rooms": [room]}) for server in (*cluster, cluster[0])
    ]
    row = row_of(await open_page(f"/admin/realtime/room/?q={room}"), room)
    assert 'class="field-members">3<' in row
    address = f"?namespace={topic}&room={room}"
    page = await open_page(f"/admin/realtime/room/view/{address}")
    assert all(member.sid() in page for member in members)
    assert "emitted" in await open_page(
        f"/admin/realtime/room/emit/{address}", event="news", namespace=topic, arguments="[1]"
    )
    assert [await member.next("news") for member in members] == [(1,)] * 3
    gone = await open_page(
        f"/admin/realtime/room/view/{address}",
        action="disconnect",
        _selected_action=[members[1].sid()],
    )
    assert "1 socket was disconnected." in gone
    assert await members[1].next("disconnect")
    closed = await open_page(
        f"/admin/realtime/room/close/{address}",
        action="close",
        _selected_action=f"{topic},{room}",
    )
    assert "2 sockets were removed." in closed
    assert "Nobody is in this room." in closed
    assert await LogEntry.objects.acount() == 3


async def test_nodes_are_listed_and_a_silent_one_is_named(
    cluster: list[Server], connect: Connect, topic: str, room: str, logs: Logs
) -> None:
    logs.tolerate()
    member = await connect(cluster[0], topic, auth={"rooms": [room]})
    other = await connect(cluster[1], topic, auth={"rooms": [room]})
    page = await open_page("/admin/realtime/node/")
    assert page.count("healthy") == 2
    silent = other.sid()[1:11]
    cluster[1].pause()
    try:
        page = await open_page(f"/admin/realtime/room/view/?namespace={topic}&room={room}")
    finally:
        cluster[1].resume()
    assert member.sid() in page
    assert "did not answer" in page
    assert silent in page


@pytest.mark.usefixtures("real_layer")
async def test_page_says_what_is_wrong_where_no_server_runs(
    farm: Farm, settings: Any, tmp_path: Path, layer: str
) -> None:
    redis = Redis(tmp_path)
    farm.run(redis)
    settings.CHANNEL_LAYERS = channel_layers(redis.url, layer)
    settings.REALTIME = {"SITE": SITE, "REQUEST_TIMEOUT": 0.5, "EMIT_TIMEOUT": 1.0}
    for address in ("room/", "node/", "room/view/?namespace=/&room=lobby"):
        assert "No server answered" in await open_page(f"/admin/realtime/{address}")
    redis.stop()
    for address in ("room/", "node/", "room/view/?namespace=/&room=lobby"):
        page = await open_page(f"/admin/realtime/{address}")
        assert "The servers could not be asked" in page
