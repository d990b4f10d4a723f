"""Rates, and the signal that tells of limits."""

import asyncio
from typing import Any

from asgiref.testing import ApplicationCommunicator

from realtime.engine import limits
from realtime.engine.limits import AddressLimit, TokenBucket
from realtime.engine.server import EngineServer
from realtime.metrics.counters import counts, report
from realtime.signals import limit_hit


def test_bucket_lets_twice_its_rate_through_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=5, now=100.0)
    assert [bucket.take(100.0) for _ in range(11)] == [True] * 10 + [False]
    assert [bucket.take(101.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1000.0) for _ in range(11)] == [True] * 10 + [False]


def test_addresses_have_a_bucket_each_and_the_oldest_is_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 2)
    addresses = AddressLimit()
    first = addresses.bucket("192.0.2.1", 1, 0.0)
    assert addresses.bucket("192.0.2.1", 1, 0.0) is first
    assert addresses.bucket("192.0.2.2", 1, 0.0) is not first
    addresses.bucket("192.0.2.3", 1, 0.0)
    assert addresses.bucket("192.0.2.1", 1, 0.0) is not first


async def test_report_counts_and_sends_the_signal() -> None:
    heard: asyncio.Future[tuple[str, Any]] = asyncio.get_running_loop().create_future()

    async def hear(sender: Any, kind: str, address: str, **kwargs: Any) -> None:
        heard.set_result((kind, address))

    limit_hit.connect(hear)
    before = counts["refused.test"]
    try:
        report("refused.test", address="192.0.2.1")
        assert await heard == ("refused.test", "192.0.2.1")
    finally:
        limit_hit.disconnect(hear)
    assert counts["refused.test"] == before + 1


async def test_connections_of_one_address_beyond_the_rate_are_refused() -> None:
    engine = EngineServer(connection_rate=0.5)  # one at once, since there is no half of one

    async def status(address: str) -> int:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/socket.io/",
            "query_string": b"EIO=4&transport=polling",
            "headers": [],
            "client": (address, 50000),
        }
        request = ApplicationCommunicator(engine, scope)
        await request.send_input({"type": "http.request", "body": b""})
        start: dict[str, Any] = await request.receive_output(5)
        await request.receive_output(5)
        await request.wait(5)
        return int(start["status"])

    assert await status("192.0.2.1") == 200
    assert await status("192.0.2.1") == 429
    assert await status("192.0.2.2") == 200
    await engine.shutdown()


def test_an_address_of_ipv6_stands_for_its_network() -> None:
    addresses = AddressLimit()
    first = addresses.bucket("2001:db8:1:2::1", 1, 0.0)
    assert addresses.bucket("2001:db8:1:2:ffff:ffff:ffff:ffff", 1, 0.0) is first
    assert addresses.bucket("2001:db8:1:3::1", 1, 0.0) is not first
    mapped = addresses.bucket("::ffff:192.0.2.1", 1, 0.0)
    assert addresses.bucket("192.0.2.1", 1, 0.0) is mapped
    assert addresses.bucket("::ffff:192.0.2.2", 1, 0.0) is not mapped
    link_local = addresses.bucket("fe80::1%eth0", 1, 0.0)
    assert addresses.bucket("fe80::2%eth0", 1, 0.0) is link_local


def test_what_passes_beyond_the_rate_is_to_be_made_up_for() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.owe(20, 0.0) == 0
    assert bucket.owe(10, 0.0) == 1
    assert bucket.owe(10, 1.0) == 1
    assert bucket.owe(1, 10.0) == 0


def test_what_is_prepaid_comes_out_of_the_same_bucket() -> None:
    bucket, passed = TokenBucket(200, 0.0), 0
    while True:
        if bucket.prepaid:
            bucket.prepaid -= 1
        elif not bucket.take_some(0.0):
            break
        passed += 1
    assert passed == 400
