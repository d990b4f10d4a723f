"""Processes whose threads gevent or eventlet have patched: emits leave, and the ORM works on."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery import Celery

from tests.live.clients import post
from tests.live.conftest import Connect
from tests.live.farm import Farm
from tests.live.servers import (
    ROOT,
    CeleryWorker,
    Process,
    Redis,
    Server,
    site_environment,
)
from tests.ports import free_port

pytestmark = pytest.mark.redis

#: eventlet says that it is not for new projects, and patches what Python 3.12 warns of.
QUIET = {"PYTHONWARNINGS": "ignore", "EVENTLET_NO_GREENDNS": "yes"}
LIBRARIES = ["gevent", "eventlet"]


async def script(environment: dict[str, str], *arguments: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.site.greenlets", *arguments],
        cwd=ROOT,
        env=os.environ | site_environment(environment) | QUIET,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("library", LIBRARIES)
async def test_emits_and_the_orm_work_among_greenlets(
    connect: Connect, cluster: list[Server], environment: dict[str, str], room: str, library: str
) -> None:
    listeners = [await connect(server, auth={"rooms": [room]}) for server in cluster]
    assert await script(environment, library, room) == "well\n"
    for listener in listeners:
        came = {(await listener.next("news"))[0] for _ in range(22)}
        assert came == set(range(22))


@pytest.mark.parametrize("library", LIBRARIES)
async def test_layer_that_is_down_is_said_among_greenlets(library: str, layer: str) -> None:
    nowhere = {"LIVE_REDIS": f"redis://127.0.0.1:{free_port()}/0", "LIVE_LAYER": layer}
    assert await script(nowhere, library, "nowhere") == "refused, and the ORM works\n"


@pytest.mark.parametrize("layer", ["core"])
@pytest.mark.parametrize("pool", LIBRARIES)
async def test_emits_from_celerys_pools_of_greenlets(
    farm: Farm,
    redis_server: Redis,
    environment: dict[str, str],
    connect: Connect,
    cluster: list[Server],
    room: str,
    pool: str,
) -> None:
    listener = await connect(cluster[0], auth={"rooms": [room]})
    worker = CeleryWorker(pool, farm.folder(pool), environment | QUIET)
    await asyncio.to_thread(farm.run, worker)
    app = Celery(broker=redis_server.url)
    for number in range(5):
        app.send_task("emit with the ORM", ["news", number], {"to": room}, queue=pool)
    came = {(await listener.next("news"))[0] for _ in range(5)}
    assert came == set(range(5))
    app.close()
    await asyncio.to_thread(farm.end, worker)


class GeventWorker(Process):
    """The site's pages under gunicorn's gevent worker."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        port = free_port()
        options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gevent"]
        super().__init__(
            "gunicorn-gevent",
            [sys.executable, "-m", "gunicorn", *options, "tests.site.wsgi:application"],
            folder,
            port=port,
            environment=site_environment(environment),
        )
        self.url = f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("layer", ["core"])
async def test_emits_from_gunicorns_gevent_worker(
    farm: Farm, environment: dict[str, str], connect: Connect, cluster: list[Server], room: str
) -> None:
    listener = await connect(cluster[1], auth={"rooms": [room, "groups"]})
    worker = GeventWorker(farm.folder("gevent"), environment)
    await asyncio.to_thread(farm.run, worker)
    for number in range(3):
        await post(f"{worker.url}/emit/", event="news", args=[number], to=room)
        # A save is the ORM's, and emits by a receiver.
        await post(f"{worker.url}/save/", event="saved", args=[f"{room} {number}"])
        assert await listener.next("news") == (number,)
    await asyncio.to_thread(farm.end, worker)
