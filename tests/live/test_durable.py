"""Nothing lost and nothing twice: durable emits of processes that die, and events sent again."""

import asyncio
import contextlib
import json
import sqlite3
from collections import defaultdict

import pytest

from tests.live.clients import Client, log_in, post
from tests.live.conftest import Connect
from tests.live.cutter import Cutter
from tests.live.deployment import Postgres
from tests.live.farm import Farm
from tests.live.servers import Redis, Server, eventually, manage
from tests.live.test_javascript import finish, run, script
from tests.settings import FOLDER

N = 5
CUTS = 2


def migrate(**environment: str) -> None:
    done = manage("migrate", "--verbosity", "0", environment=environment)
    assert done.returncode == 0, done.stderr


class Rows:
    """Those of a SQLite database of its own: couriers of other sites do not find them."""

    def __init__(self, name: str) -> None:
        self.environment = {"LIVE_DATABASE": name}
        self._file = FOLDER / name
        with (
            contextlib.closing(sqlite3.connect(FOLDER / "live.sqlite3")) as migrated,
            contextlib.closing(sqlite3.connect(self._file)) as copy,
        ):
            migrated.backup(copy)

    def execute(self, code: str) -> list[tuple[int]]:
        with contextlib.closing(sqlite3.connect(self._file, timeout=20)) as connection, connection:
            return connection.execute(code).fetchall()

    def wait(self) -> None:
        """Wait until all are sent."""
        unsent = "SELECT id FROM realtime_durable_durableemit WHERE state != 'sent'"
        eventually(lambda: not self.execute(unsent), lambda: str(self.execute(unsent)))


@pytest.mark.node
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_emit_of_a_process_killed_after_its_commit_arrives(
    farm: Farm, kind: str, room: str
) -> None:
    """Even on the in-memory layer, over which that process could not have emitted at all."""
    rows = Rows(f"durable-{kind}.sqlite3")
    (server,) = await asyncio.to_thread(
        lambda: farm.own(kind, LIVE_COURIER="0.2", **rows.environment)
    )
    with script("durable", server, ROOM=room, N=str(N)) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "listening\n"
        command = ["site_durable", str(N), room, "--die"]
        died = await asyncio.to_thread(manage, *command, environment=rows.environment)
        assert died.returncode == -9, died.stderr
        await asyncio.to_thread(rows.wait)
        # As if who sent them had died before that was written down.
        rows.execute("UPDATE realtime_durable_durableemit SET state = 'waiting'")
        await asyncio.to_thread(rows.wait)
        await post(f"{server.url}/emit/", event="end", args=[], to=room)
        output = await asyncio.to_thread(finish, process)
    assert json.loads(output) == {"heard": 2 * N, "keys": N}
    await asyncio.to_thread(farm.end, server)


@pytest.mark.parametrize("view", ["emit", "aemit", "commit"])
async def test_durable_emit_from_a_view_arrives_at_once(
    connect: Connect, server: Server, room: str, view: str
) -> None:
    """No courier is at work here."""
    member = await connect(server, auth={"rooms": [room]})
    await post(f"{server.url}/{view}/", event="news", args=[1], to=room, durable=True)
    number, last = await member.next("news")
    assert (number, list(last)) == (1, ["durable"])


@pytest.mark.redis
@pytest.mark.postgres
async def test_couriers_of_several_processes_send_each_row_once_and_in_order(
    farm: Farm, connect: Connect, redis_server: Redis
) -> None:
    postgres = Postgres(farm.folder("durable-postgres"))
    await asyncio.to_thread(farm.run, postgres)
    site = {"LIVE_REDIS": redis_server.url, "LIVE_POSTGRES": str(postgres.port)}
    site["LIVE_SITE"] = "durable"
    await asyncio.to_thread(migrate, **site)
    rooms, n = ["a", "b", "c"], 50
    died = await asyncio.to_thread(
        manage, "site_durable", str(n), *rooms, "--die", environment=site
    )
    assert died.returncode == -9, died.stderr
    (server,) = await asyncio.to_thread(lambda: farm.own("uvicorn", **site))
    client: Client = await connect(server, auth={"rooms": rooms})
    await asyncio.sleep(1)  # the lease of the process that died
    rounds = [
        asyncio.to_thread(manage, "realtime", "courier", "--once", "--json", environment=site)
        for _ in range(3)
    ]
    done = await asyncio.gather(*rounds)
    assert {one.returncode for one in done} == {0}, [one.stderr for one in done]
    last = await asyncio.to_thread(
        manage, "realtime", "courier", "--once", "--json", environment=site
    )
    sent = [json.loads(one.stdout)["sent"] for one in [*done, last]]
    assert sum(sent) == n * len(rooms), sent
    heard = defaultdict(list)
    for _ in range(n * len(rooms)):
        room, number, _ = await client.next("durable")
        heard[room].append(number)
    assert heard == {room: list(range(n)) for room in rooms}
    assert client.waiting("durable") == []
    await client.disconnect()
    await asyncio.to_thread(farm.end, server)


@pytest.mark.node
@pytest.mark.parametrize("key", ["7", "random"])
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_event_whose_ack_is_cut_off_is_handled_once(
    farm: Farm, connect: Connect, kind: str, key: str
) -> None:
    """Each time that the client comes back it is to the other process."""
    servers: list[Server] = await asyncio.to_thread(farm.shared, "daphne", "uvicorn")
    servers.sort(key=lambda server: server.kind != kind)
    ports = [server.port or 0 for server in servers]
    who = {} if key == "random" else await log_in(servers[0].url, "ada")
    watcher = await connect(servers[0], "/once")
    before = await watcher.call("rows")
    async with Cutter(ports, CUTS) as cutter:
        environment = {"KEY": key, "CUTS": str(CUTS), "TRANSPORTS": "websocket"}
        if who:
            environment |= {"COOKIE": who["Cookie"], "KEY": f"{kind} {key}"}
        output = await asyncio.to_thread(lambda: run("retries", cutter, **environment))
        assert cutter.cuts == 0
    after = await watcher.call("rows")
    assert after[len(before) :] == json.loads(output)
