"""What waits for the channel layer from one process to one other."""

import asyncio

from realtime.cluster.bus import Bus
from realtime.node import rooms
from realtime.relay.conversations import Conversation, End
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
    assert link.sender is not None
    link.sender.cancel()
    await asyncio.gather(link.sender, return_exceptions=True)
    assert link._timer is not None
    link._timer.cancel()
