"""`REALTIME["EMIT_FAIL_SILENTLY"]`: no emit raises because other processes can't be reached."""

from collections.abc import Iterator
from typing import Any

import pytest

from realtime import SocketIOConsumer, aemit, emit, event, namespace, routing
from realtime.asgi import get_server
from realtime.exceptions import ChannelLayerError
from realtime.metrics import counts
from tests.ports import free_port
from tests.site.layers import channel_layers
from tests.web_thread import crowd, web_thread

pytestmark = pytest.mark.usefixtures("real_layer")


async def test_setting_makes_emits_fail_silently(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REALTIME = {"EMIT_FAIL_SILENTLY": True}
    before = counts["emits.silenced"]
    await aemit("said")
    assert counts["emits.silenced"] == before + 1
    assert "the event 'said' was not emitted" in caplog.text
    assert "configure channels_redis" in caplog.text
    with pytest.raises(ChannelLayerError):
        await aemit("said", fail_silently=False)
    with pytest.raises(TypeError):
        await aemit("said", object())


def test_setting_holds_for_sync_emits(settings: Any) -> None:
    settings.REALTIME = {"EMIT_FAIL_SILENTLY": True}
    before = counts["emits.silenced"]
    emit("said")
    assert counts["emits.silenced"] == before + 1


@pytest.fixture
def consumer() -> Iterator[None]:
    routes = list(routing._routes)

    @namespace("/cut-off")
    class CutOff(SocketIOConsumer):
        @event
        async def tell(self) -> str:
            await self.broadcast("told")
            return "done"

        @event("tell by the server")
        async def tell_by_server(self) -> str:
            await get_server().emit("told", namespace="/cut-off")
            return "done"

    yield
    routing._routes[:] = routes


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize("is_silent", [True, False])
def test_setting_holds_for_consumers_and_python_socketios_server(
    is_silent: bool, settings: Any
) -> None:
    settings.REALTIME = {"EMIT_FAIL_SILENTLY": is_silent, "EMIT_TIMEOUT": 2}
    settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{free_port()}/0", "core")
    with web_thread() as url, crowd(url) as clients:
        client = clients.connect("/cut-off")
        for name in ("tell", "tell by the server"):
            silenced = counts["emits.silenced"]
            answer = clients.run(client.call(name))
            assert clients.run(client.next("told")) == ()
            if is_silent:
                assert answer == "done"
                assert counts["emits.silenced"] == silenced + 1
            else:
                assert answer["error"]["code"] == "internal"
