"""emit and aemit where nothing needs a server: refusals, and what is encoded when."""

import os
import warnings
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from realtime import aemit, emit
from realtime.asgi import make_server
from realtime.exceptions import ChannelLayerError, RoomError, SyncEmitInAsyncCode
from realtime.metrics import counts
from realtime.node import emissions
from realtime.node.current import serving


@pytest.mark.usefixtures("real_layer")
def test_in_memory_layer_without_a_server_is_refused_with_what_to_do() -> None:
    with pytest.raises(ChannelLayerError, match="configure channels_redis"):
        emit("event", 1)


@pytest.mark.usefixtures("real_layer")
async def test_aemit_is_refused_the_same_way() -> None:
    with pytest.raises(ChannelLayerError, match="configure channels_redis"):
        await aemit("event", 1)


@pytest.mark.usefixtures("real_layer")
def test_no_channel_layer_is_refused_with_its_name(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    with pytest.raises(ChannelLayerError, match="CHANNEL_LAYERS has no entry 'default'"):
        emit("event", 1)


async def test_emit_in_async_code_is_refused() -> None:
    with pytest.raises(SyncEmitInAsyncCode, match="await aemit"):
        emit("event", 1)


@pytest.mark.usefixtures("real_layer")
def test_fail_silently_logs_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    before = counts["emits.silenced"]
    emit("event", 1, fail_silently=True)
    assert counts["emits.silenced"] == before + 1
    assert "configure channels_redis" in caplog.text


@pytest.mark.parametrize(
    ("args", "options", "error"),
    [
        ([object()], {}, TypeError),
        ([float("nan")], {}, ValueError),
        ([{1, 2}], {}, TypeError),
        ([b"x"] * 11, {}, ValueError),
        ([b"x", {"_placeholder": True, "num": 0}], {}, ValueError),
        ([], {"namespace": "chat"}, ValueError),
        ([], {"to": 5}, RoomError),
        ([], {"to": User()}, RoomError),
    ],
)
def test_what_cannot_be_sent_is_refused_even_silently(
    args: list[Any], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        emit("event", *args, fail_silently=True, **options)


@pytest.mark.parametrize("name", ["connect", "disconnect", "newListener"])
def test_reserved_event_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reserves"):
        emit(name)


@pytest.mark.usefixtures("real_layer")
@pytest.mark.django_db
def test_on_commit_encodes_at_once_and_sends_after_the_commit(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with pytest.raises(TypeError):
        emit("event", object(), on_commit=True)
    failed = counts["emits.failed"]
    with django_capture_on_commit_callbacks(execute=True) as callbacks, transaction.atomic():
        emit("event", 1, on_commit=True)
        assert counts["emits.failed"] == failed
    assert len(callbacks) == 1
    assert counts["emits.failed"] == failed + 1


def test_djangos_types_are_encoded() -> None:
    import datetime
    import decimal
    import uuid

    emission = emissions.encode(
        "event",
        [decimal.Decimal("1.50"), datetime.date(2026, 1, 2), uuid.UUID(int=1)],
        namespace="/",
        to=None,
    )
    assert emission.messages == (
        '2["event","1.50","2026-01-02","00000000-0000-0000-0000-000000000001"]',
    )


async def test_forked_child_of_a_serving_process_has_no_server() -> None:
    server = make_server()
    server.start()
    assert serving() is server.node
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; this child does nothing but look.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if serving() is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    await server.shutdown()
    assert serving() is None
