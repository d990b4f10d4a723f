"""`emit(on_commit=True)` where the event can't leave: what was saved is answered as saved."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from realtime import emit
from realtime.metrics import counts
from realtime.testing import real_layer
from tests.ports import free_port
from tests.site.layers import channel_layers

pytestmark = pytest.mark.django_db(transaction=True)

ran: list[str] = []


def save(request: HttpRequest) -> HttpResponse:
    """Saves a row; its event stands between two other hooks."""
    with transaction.atomic():
        Group.objects.create(name=request.GET["name"])
        transaction.on_commit(lambda: ran.append("first"))
        emit("saved", on_commit=True)
        transaction.on_commit(lambda: ran.append("last"))
    return HttpResponse("saved")


def save_in_savepoints(request: HttpRequest) -> HttpResponse:
    """One event in a savepoint that is kept, one in another that is not."""
    with transaction.atomic():
        with transaction.atomic():
            Group.objects.create(name=request.GET["name"])
            emit("kept", on_commit=True, using="default")
        with transaction.atomic():
            emit("rolled back", on_commit=True)
            transaction.set_rollback(True)
        transaction.on_commit(lambda: ran.append("last"))
    return HttpResponse("saved")


def save_without_transaction(request: HttpRequest) -> HttpResponse:
    Group.objects.create(name=request.GET["name"])
    emit("saved", on_commit=True)
    return HttpResponse("saved")


urlpatterns = [
    path("save/", save),
    path("save-in-savepoints/", save_in_savepoints),
    path("save-without-transaction/", save_without_transaction),
]


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[None]:
    ran.clear()
    settings.ROOT_URLCONF = __name__
    with real_layer():
        yield


@pytest.fixture(params=["core", "pubsub"])
def unreachable_redis(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.CHANNEL_LAYERS = channel_layers(f"redis://127.0.0.1:{free_port()}/0", request.param)


def answer_of(address: str) -> bytes:
    content: bytes = Client().get(f"/{address}/?name=ours").content
    assert Group.objects.filter(name="ours").exists()
    return content


@pytest.mark.usefixtures("unreachable_redis")
@pytest.mark.parametrize("address", ["save", "save-in-savepoints", "save-without-transaction"])
def test_saved_row_answers_as_saved_while_redis_is_down(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    failed = counts["emits.failed"]
    assert answer_of(address) == b"saved"
    assert counts["emits.failed"] == failed + 1
    records = [record for record in caplog.records if record.name == "realtime.emitters"]
    assert len(records) == 1
    assert records[0].levelno == logging.ERROR
    assert "was not emitted after its transaction committed" in records[0].getMessage()
    assert "is running and reachable" in records[0].getMessage()
    assert not [record for record in caplog.records if record.name.startswith("django.db")]


@pytest.mark.usefixtures("unreachable_redis")
def test_failing_emit_leaves_the_other_hooks_their_turn() -> None:
    answer_of("save")
    assert ran == ["first", "last"]


@pytest.mark.usefixtures("unreachable_redis")
def test_emit_of_a_savepoint_that_was_rolled_back_fails_for_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer_of("save-in-savepoints")
    assert "'kept' was not emitted" in caplog.text
    assert "rolled back" not in caplog.text
    assert ran == ["last"]


def test_layer_in_memory_without_a_server_is_no_reason_for_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert answer_of("save") == b"saved"
    assert "configure channels_redis" in caplog.text


def test_error_that_nobody_foresaw_takes_no_other_hook_with_it(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # A channel layer that is broken beyond what realtime knows of.
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.no_such_module.Layer"}}
    failed = counts["emits.failed"]
    assert answer_of("save") == b"saved"
    assert ran == ["first", "last"]
    assert "Error calling" in caplog.text
    assert counts["emits.failed"] == failed + 1
