"""How much the logs in Redis keep: in events, in bytes, and by age."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from realtime.cluster.bus import Bus
from realtime.node import emissions
from realtime.node.rooms import new_node_id, new_sid
from realtime.recovery.options import Options, of_site
from realtime.recovery.positions import to_text
from realtime.recovery.redis import scripts
from realtime.recovery.redis.connection import Redis
from realtime.testing import real_layer
from tests.live.servers import Redis as RedisServer
from tests.site.layers import channel_layers

pytestmark = [pytest.mark.redis]

#: Entries of a stream that Redis keeps in one node, and so may keep beyond what is asked for.
SLACK = 100


@pytest.fixture
async def redis(settings: Any, redis_server: RedisServer) -> AsyncIterator[Redis]:
    settings.CHANNEL_LAYERS = channel_layers(redis_server.url, "core")
    with real_layer():
        bus = Bus(new_node_id())
        bus.open()
        redis = Redis(bus)
        yield redis
        await redis.close()


async def log(redis: Redis, room: str, numbers: range, options: Options, size: int = 10) -> None:
    for number in numbers:
        text = f"{number} ".ljust(size, "x")
        emission = emissions.encode("news", [text], namespace="/", to=(room,))
        await redis.log(emission, options)


async def kept(redis: Redis, room: str) -> list[int]:
    """The numbers of the events in a room's log."""
    found = await redis.client.xrange(redis.names.stream(("/", room)))
    bodies = [redis.unpack(said[b"b"]) for _, said in found]
    texts = [emissions.from_body(body).messages[0] for body in bodies]
    return [int(str(text).split('"')[3].split()[0]) for text in texts]


async def used(redis: Redis, room: str) -> int:
    return int(await redis.client.memory_usage(redis.names.stream(("/", room))))


async def test_events_of_a_log_are_bounded(redis: Redis, room: str) -> None:
    await log(redis, room, range(250), replace(of_site(), max_events=30))
    assert await kept(redis, room) == list(range(220, 250))


async def test_many_events_of_a_log_are_bounded_about(redis: Redis, room: str) -> None:
    await log(redis, room, range(1_600), replace(of_site(), max_events=1_200))
    found = await kept(redis, room)
    assert found == list(range(found[0], 1_600))
    assert 1_200 <= len(found) <= 1_200 + SLACK


@pytest.mark.parametrize("size", [1_000, 20_000])
async def test_bytes_of_a_log_are_bounded(redis: Redis, room: str, size: int) -> None:
    options = replace(of_site(), max_bytes=100_000)
    await log(redis, room, range(5), options)
    other = f"{room} of others"
    await log(redis, other, range(5), options)
    await log(redis, room, range(5, 400), options, size)
    found = await kept(redis, room)
    assert found == list(range(found[0], 400)) and len(found) > 1
    # Events that are small for the log are weighed now and then.
    assert await used(redis, room) <= options.max_bytes * 2
    assert await kept(redis, other) == list(range(5))


async def test_event_that_is_too_large_for_a_log_is_there_until_the_next(
    redis: Redis, room: str
) -> None:
    options = replace(of_site(), max_bytes=5_000)
    for number in range(3):
        await log(redis, room, range(number, number + 1), options, 50_000)
        assert await kept(redis, room) == [number]
    head = await redis.client.get(redis.names.head("/"))
    assert head == (await redis.client.xrange(redis.names.stream(("/", room))))[0][0]


@pytest.mark.parametrize(("history", "seconds"), [(0.0, 200.0), (1_000.0, 1_000.0)])
async def test_events_are_forgotten_by_age(
    redis: Redis, room: str, history: float, seconds: float
) -> None:
    options = replace(of_site(), retention=200.0, history=history)
    sid, now = new_sid("everywhere"), time.time()
    for name, lasts in ((room, seconds), (sid, 200.0)):
        stream = redis.names.stream(("/", name))
        emission = emissions.encode("news", ["-1 is old"], namespace="/", to=(name,))
        fields = {"p": "0-0", "t": "tag", "b": redis.pack(emissions.to_body(emission))}
        for age, count in ((lasts + 60, 3 * SLACK), (lasts - 60, 5)):
            for number in range(count):
                id = f"{int((now - age) * 1000)}-{number}"
                await redis.client.xadd(stream, fields, id=id)
        await log(redis, name, range(3), options)
        found = await kept(redis, name)
        assert found[-8:] == [-1] * 5 + [0, 1, 2]
        assert len(found) < 8 + SLACK
        # With nothing more said in it, the whole log goes.
        assert 0 < await redis.client.pttl(stream) <= 1000 * lasts


async def test_client_whose_events_were_trimmed_is_told(redis: Redis, room: str) -> None:
    """The first entry that is left knows the one before it, which the client does not have."""
    options = replace(of_site(), max_events=2)
    emission = emissions.encode("news", ["0 first"], namespace="/", to=(room,))
    first = await redis.log(emission, options)
    await log(redis, room, range(1, 5), options)
    names, key = redis.names, ("/", room)
    keys = [names.head("/"), names.stream(key), names.values(key)]
    id = to_text(first)
    _, [entries], _ = await redis.call(scripts.SINCE, keys, [100, id, id])
    assert len(entries) == 2
    before = dict(zip(entries[0][1][::2], entries[0][1][1::2], strict=True))[b"p"]
    assert before != id.encode()
