"""What waits for the channel layer from one process to one other."""

import asyncio
import contextlib

import pytest

from realtime.cluster.bus import Bus
from realtime.engine.server import EngineServer
from realtime.node import rooms
from realtime.relay.conversations import Conversation, End
from realtime.relay.home import RelayHome
from realtime.relay.links import BACKLOG, Link


async def test_the_conversation_that_fills_the_link_is_over_and_no_other() -> None:
    bus = Bus(rooms.new_node_id())
    bus.open()
    link = Link(bus, rooms.new_node_id())
    honest = [Conversation(link, (True, number), "sid") for number in range(10)]
    greedy = [Conversation(link, (True, number), "sid") for number in range(10, 110)]
    for conversation in honest:
        conversation.put({"type": "http.request", "body": b"small"})
    for conversation in greedy:
        if conversation.end is None:
            conversation.put({"type": "http.request", "body": bytes(BACKLOG // 50)})
    for conversation in honest:
        conversation.put({"type": "http.request", "body": b"small"})
    assert [conversation.end for conversation in honest] == [None] * 10
    assert {conversation.end for conversation in greedy} == {None, End.FULL}
    assert link._waiting <= BACKLOG
    for conversation in [*honest, *greedy]:
        conversation.finish(End.LEFT)
    await _close(link)


async def test_request_that_its_entry_gave_up_is_no_error_at_its_home(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a network failure, the request and its end come together."""
    bus = Bus(rooms.new_node_id())
    bus.open()
    link = Link(bus, rooms.new_node_id())
    home = RelayHome(EngineServer(), 10)
    websocket = {
        "type": "websocket",
        "path": "/socket.io/",
        "query_string": b"EIO=4&transport=websocket&sid=ended",
        "headers": [],
        "client": ["127.0.0.1", 1],
        "server": None,
    }
    message = {"type": "websocket.connect"}
    home.asked(
        link,
        {"verb": "open", "number": 1, "sid": "ended", "scope": websocket, "messages": [message]},
    )
    [conversation] = link.conversations.values()
    conversation.over(End.LEFT)
    await home._tasks.wait()
    assert [record for record in caplog.records if record.exc_info] == []
    await _close(link)


async def _close(link: Link) -> None:
    if link.sender is not None:
        link.sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await link.sender
    if link._timer is not None:
        link._timer.cancel()
