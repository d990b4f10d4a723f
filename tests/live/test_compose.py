"""docs/deploy/compose.yaml: what its services run, behind Caddy at https://localhost."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.live.compose import (
    Image,
    SecureCaddy,
    Stack,
    Web,
    build_wheel,
    context,
    stay_connected,
)
from tests.live.deployment import CLEAN, Postgres
from tests.live.farm import Farm
from tests.live.test_deploy import DeployedRedis
from tests.live.test_health import READY, until

# Packages are fetched from the index: not for `make test`.
pytestmark = [
    pytest.mark.caddy,
    pytest.mark.redis,
    pytest.mark.postgres,
    pytest.mark.usefixtures("cut_links"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def stack(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("compose")
    redis, postgres = DeployedRedis(farm.folder("redis")), Postgres(farm.folder("postgres"))
    farm.run(redis, postgres)
    source = context(folder / "source", build_wheel(folder / "dist"))
    stack = Stack(folder, Image(source, folder / "srv"), redis, postgres)
    farm.run(*stack.web)
    return stack


@pytest.fixture(scope="module")
def proxy(farm: Farm, stack: Stack) -> SecureCaddy:
    proxy = SecureCaddy(farm.folder("caddy"), stack)
    farm.run(proxy)
    return proxy


def test_image_holds_no_secret_and_the_packages_of_its_requirements(stack: Stack) -> None:
    assert not list(stack.image.folder.glob("*.env"))
    python = str(Path(stack.image.command("HEALTHCHECK", 1)[0]))
    code = "import realtime, sys; assert realtime.__file__.startswith(sys.prefix)"
    stack.image.run([python, "-c", code], {"PYTHONPATH": ""})


async def test_clients_of_each_transport_stay_through_a_new_version(
    stack: Stack, proxy: SecureCaddy
) -> None:
    for web in stack.web:
        await ready(web)
        await asyncio.to_thread(web.check)
    loop = asyncio.get_running_loop()

    def renew() -> None:
        for web in stack.web:
            assert web.stop_within(stack.grace(web)) in CLEAN
            web.start()
            web.wait()
            asyncio.run_coroutine_threadsafe(ready(web), loop).result()

    await stay_connected(proxy.url, renew)


async def ready(web: Web) -> None:
    await until(f"http://127.0.0.1:{web.port}{READY}", lambda status, _: status == 200)


async def test_https_and_the_pages_origin_reach_the_site(proxy: SecureCaddy) -> None:
    handshake = f"{proxy.url}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as session:

        async def status(url: str, **headers: str) -> int:
            async with session.get(url, headers=headers, ssl=False) as answer:
                return answer.status

        assert await status(handshake, Origin=proxy.url) == 200
        assert await status(handshake, Origin="https://evil.example") == 403
        assert await status(f"{proxy.url}/static/admin/css/base.css") == 200
        assert await status(f"{proxy.url}/admin/login/") == 200
        plain = f"http://localhost:{proxy.plain_port}/admin/login/"
        async with session.get(plain, allow_redirects=False) as answer:
            assert answer.status == 308
