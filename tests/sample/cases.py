"""The tests of a project, as `manage.py test` runs them; not collected by pytest."""

import os
import threading

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import TestCase

from realtime import aemit, ais_online, call_sockets, emit, fetch_sockets, is_online
from realtime.testing import (
    RealtimeAssertions,
    SocketIOClient,
    SocketIOCommunicator,
    capture_emits,
    operations,
    outbox,
    real_layer,
)

from .consumers import SampleConsumer


class SampleCase(RealtimeAssertions, TestCase):
    def test_view_emits(self) -> None:
        ada = User.objects.create_user("ada", password="lovelace")
        self.client.force_login(ada)
        with capture_emits():
            assert self.client.get("/pay/").status_code == 200
        self.assertEmitted("paid", 7, to="accounting", count=1)
        self.assertEmitted("committed")
        assert [asked.name for asked in operations] == ["disconnect_sockets"]
        assert not is_online(ada)

    def test_createsuperuser_with_a_receiver_that_emits(self) -> None:
        os.environ["DJANGO_SUPERUSER_PASSWORD"] = "lovelace"
        call_command("createsuperuser", "--noinput", username="root", email="root@example.com")
        self.assertEmitted("user", "root", count=1)

    def test_outbox_is_empty_at_the_beginning(self) -> None:
        assert list(outbox) == []
        emit("row")

    def test_outbox_is_empty_at_the_beginning_again(self) -> None:
        assert list(outbox) == []
        emit("row")

    def test_clients(self) -> None:
        before = set(threading.enumerate())
        ada = User.objects.create_user("ada")
        with SocketIOClient(http=self.client) as client, SocketIOClient() as other:
            client.force_login(ada)
            client.connect()
            other.connect()
            assert is_online(ada)
            assert fetch_sockets("lobby").total == 2
            assert client.call("rename", "grace") == 1
            assert other.received("renamed") == ["grace"]
            ada.refresh_from_db()
            assert ada.username == "grace"
            assert other.call("rename", "nobody") == 1
            client.answer("well?", True)
            other.answer("well?", True)
            assert set(call_sockets("well?").answers.values()) == {True}
        assert not set(threading.enumerate()) - before, threading.enumerate()

    async def test_async_code(self) -> None:
        ada = await User.objects.acreate(username="ada")
        await aemit("row", to=ada)
        assert not await ais_online(ada)
        client = SocketIOCommunicator(SampleConsumer, user=ada)
        await client.connect()
        assert await client.call("rename", "grace") == 1
        await ada.arefresh_from_db()
        assert ada.username == "grace"
        await client.disconnect()
        self.assertEmitted("renamed", "grace", to=None)


class OnPurposeCase(TestCase):
    """It runs last, by its name: what reaches out shows that nothing else did."""

    def test_zz_real_layer(self) -> None:
        if "SAMPLE_REDIS" in os.environ:
            with real_layer():
                emit("end")
