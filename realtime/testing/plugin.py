"""Fixtures for pytest, which loads them through an entry point.

pytest loads this module in every test run if realtime is installed. The module doesn't import
Django by itself, and has no effect on the tests of projects that don't use realtime.
"""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..node.records import Asked, Emitted, Recorded
    from .client import SocketIOClient
    from .live import LiveServer


@pytest.fixture(autouse=True)
def _realtime_outbox() -> Iterator[None]:
    """An empty outbox for each test, as pytest-django does with the mail's."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    records = sys.modules.get("realtime.node.records")
    if records is not None:  # else nothing was emitted
        records.forget()


@pytest.fixture
def emits(_realtime_outbox: None) -> "Recorded[Emitted]":
    """The emits of the test so far: `realtime.testing.outbox`."""
    _demand_test_environment()
    from .assertions import outbox

    return outbox


@pytest.fixture
def operations(_realtime_outbox: None) -> "Recorded[Asked]":
    """The calls of operations and presence in the test so far: `realtime.testing.operations`."""
    _demand_test_environment()
    from .assertions import operations

    return operations


@pytest.fixture
def real_layer() -> Iterator[None]:
    """Lets a test use the channel layer of the settings: `realtime.testing.real_layer`."""
    from .assertions import real_layer

    with real_layer():
        yield


@pytest.fixture
def socketio_client() -> "Iterator[Callable[..., SocketIOClient]]":
    """Makes clients, each a `SocketIOClient`, and disconnects them after the test."""
    _demand_test_environment()
    from .client import SocketIOClient

    made: list[SocketIOClient] = []

    def make(*args: Any, **options: Any) -> SocketIOClient:
        made.append(SocketIOClient(*args, **options))
        return made[-1]

    yield make
    for client in reversed(made):
        client.disconnect()


@pytest.fixture
def socketio_live_server(transactional_db: None) -> "Iterator[LiveServer]":
    """The site under Daphne, for browsers and real clients; its `url` is the address."""
    _demand_test_environment()
    from .live import live_server

    with live_server() as server:
        yield server


def _demand_test_environment() -> None:
    from ..cluster.isolation import outbox_of_mail

    if outbox_of_mail() is None:
        raise pytest.UsageError(
            "realtime's fixtures need Django's test environment: install pytest-django, or call"
            " django.test.utils.setup_test_environment() in conftest.py"
        )
