import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from realtime.testing import real_layer
from tests.conformance.raw import Link
from tests.live.clients import Client
from tests.live.farm import Farm, mishaps
from tests.live.layer_servers import LayerServer, layer_server
from tests.live.servers import Server, eventually, manage
from tests.site.layers import SITE, channel_layers

USERS = """
from django.contrib.auth.models import User
for name in ["ada", "grace"]:
    User.objects.create_user(name, password=name)
"""


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    for arguments in (["migrate", "--verbosity", "0"], ["shell", "-c", USERS]):
        done = manage(*arguments, environment={})
        assert done.returncode == 0, done.stderr
    farm = Farm(tmp_path_factory.mktemp("live"))
    yield farm
    farm.end()
    assert not mishaps(farm.news())


class Logs:
    """The logs of all processes during one test, which have no traceback that it does not name."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._texts: dict[str, str] = {}
        self._tolerant = False

    def expect(self, text: str) -> None:
        """Wait until a log has the text; tracebacks are no mishap in this test."""
        self.tolerate()
        eventually(
            lambda: any(text in log for log in self.read().values()),
            lambda: f"no log says {text!r}: {self._texts}",
        )

    def tolerate(self) -> None:
        """Tracebacks are no mishap in this test; channels-redis logs some of its own."""
        self._tolerant = True

    def read(self) -> dict[str, str]:
        for name, news in self._farm.news().items():
            self._texts[name] = self._texts.get(name, "") + news
        return self._texts

    def check(self) -> None:
        self.read()
        assert self._tolerant or not mishaps(self._texts)


@pytest.fixture(autouse=True)
def logs(farm: Farm) -> Iterator[Logs]:
    farm.news()
    logs = Logs(farm)
    yield logs
    logs.check()


@pytest.fixture
async def cut_links() -> AsyncIterator[None]:
    """For tests with raw clients: none outlives its test, whose loop alone can close it."""
    yield
    while Link.links:
        Link.links.pop().cut()
    await asyncio.sleep(0)  # the loop closes them in its next turn


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, farm: Farm) -> Server:
    """The site on the in-memory layer."""
    return farm.shared("daphne", "uvicorn")[request.param == "uvicorn"]


@pytest.fixture(params=["polling", "websocket", "upgrade"])
def transports(request: pytest.FixtureRequest) -> list[str]:
    """What a client may use; with both it begins on polling and upgrades."""
    both = ["polling", "websocket"]
    return both if request.param == "upgrade" else [request.param]


Connect = Callable[..., Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects python-socketio's clients: `await connect(server, "/talk/a", transports=[...])`."""
    clients: list[Client] = []

    async def connect(server: Server, *namespaces: str, **options: Any) -> Client:
        client = Client(server.url, namespaces or ("/",), **options)
        clients.append(client)
        await client.connect()
        return client

    yield connect
    for client in clients:
        await client.disconnect()


@pytest.fixture
def topic() -> str:
    """A namespace of this test's own."""
    return f"/talk/{uuid.uuid4().hex}"


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return f"room {uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def redis_server(farm: Farm) -> LayerServer:
    return layer_server(farm, "redis")


@pytest.fixture(params=["core", "pubsub"])
def layer(request: pytest.FixtureRequest) -> str:
    """Which of the two layers of channels-redis."""
    kind: str = request.param
    return kind


@pytest.fixture
def cluster(farm: Farm, redis_server: LayerServer, layer: str) -> list[Server]:
    """Two processes of one site."""
    return farm.shared("daphne", "uvicorn", LIVE_REDIS=redis_server.url, LIVE_LAYER=layer)


@pytest.fixture
def environment(redis_server: LayerServer, layer: str) -> dict[str, str]:
    """For further processes of that site."""
    return {"LIVE_REDIS": redis_server.url, "LIVE_LAYER": layer}


@pytest.fixture
def outside(settings: Any, redis_server: LayerServer, layer: str) -> Iterator[None]:
    """This very process is one of that site, without a server: `emit` goes through the layer."""
    settings.CHANNEL_LAYERS = channel_layers(redis_server.url, layer)
    settings.REALTIME = {"SITE": SITE}
    with real_layer():
        yield
