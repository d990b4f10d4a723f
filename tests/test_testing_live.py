"""The live server case: real clients and static files, with what the test emits, without Redis."""

import urllib.request
from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings

from realtime import count_sockets, emit
from realtime.node.current import serving
from realtime.testing import RealtimeAssertions, SocketIOLiveServerTestCase
from tests.web_thread import crowd

REDIS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Nothing listens there: whoever tries finds out.
        "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
    }
}


class LiveCase(RealtimeAssertions, SocketIOLiveServerTestCase):
    def test_client_hears_the_test_and_the_test_what_it_emits(self) -> None:
        with crowd(self.live_server_url) as clients:
            client = clients.join("tea")
            emit("news", 1, to="tea")
            assert clients.run(client.next("news")) == (1,)
            clients.run(client.call("message", {"room": "tea", "text": "hello"}))
            clients.run(client.next("message"))
            self.assertEmitted("message", to="tea")
            assert count_sockets("tea") == 1

    def test_rows_and_static_files_are_those_of_the_test(self) -> None:
        User.objects.create_user("ada")
        with urllib.request.urlopen(f"{self.live_server_url}/accounts/login/") as page:
            assert page.status == 200
        script = f"{self.live_server_url}/static/realtime/socket.io.min.js"
        with urllib.request.urlopen(script) as found:
            assert b"Socket.IO" in found.read()

    def test_connections_are_closed_at_the_end_of_each_test(self) -> None:
        assert count_sockets() == 0
        clients = self.enterClassContext(crowd(self.live_server_url))
        clients.join("tea")
        assert count_sockets() == 1
        self.addClassCleanup(lambda: self.assertEqual(count_sockets(), 0))


@override_settings(CHANNEL_LAYERS=REDIS)
class LiveCaseWithRedisInTheSettings(SocketIOLiveServerTestCase):
    def test_it_is_left_alone(self) -> None:
        with crowd(self.live_server_url) as clients:
            client = clients.join("tea")
            emit("news", 1)
            assert clients.run(client.next("news")) == (1,)


def test_fixture_serves(socketio_live_server: Any, emits: Any) -> None:
    with crowd(socketio_live_server.url) as clients:
        client = clients.join("tea")
        emit("news", 1)
        assert clients.run(client.next("news")) == (1,)
    assert len(emits) == 1


def test_between_live_tests_nothing_serves() -> None:
    assert serving() is None
    emit("news", 1)
