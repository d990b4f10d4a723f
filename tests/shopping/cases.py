"""The project's own tests, as `manage.py test` runs them."""

from django.contrib.auth.models import User
from django.test import TestCase

from realtime.testing import RealtimeAssertions, SocketIOClient, capture_emits

from .models import List


class ListTests(RealtimeAssertions, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada, cls.bob = (User.objects.create_user(name) for name in ("ada", "bob"))
        cls.list = List.objects.create(pk=7, name="food")
        cls.list.members.set([cls.ada, cls.bob])

    def setUp(self):
        self.hers, self.his = SocketIOClient("/lists"), SocketIOClient("/lists")
        for client, user in ((self.hers, self.ada), (self.his, self.bob)):
            client.force_login(user)
            client.connect()
            self.addCleanup(client.disconnect)
            self.assertNotIn("error", client.call("room:join", "lists.7"))
            client.clear()

    def heard(self, client):
        return [name for name, *_ in client.received() if not name.startswith("presence:")]

    def test_view_emits_to_the_others(self):
        page = {"X-Realtime-Sids": self.hers.sid}
        with capture_emits():
            self.hers.http.post("/lists/7/add/", {"title": "tea"}, headers=page)
        self.assertEmitted("reminder", "tea", to=self.list, namespace="/lists")
        self.assertCountEqual(self.heard(self.his), ["item:created", "reminder"])
        self.assertEqual(self.heard(self.hers), [])

    def test_handler_tells_the_others(self):
        with capture_emits():
            self.his.call("add", 7, "milk")
        self.assertEqual(self.heard(self.hers), ["item:created"])
        self.assertEqual(self.heard(self.his), [])

    def test_what_is_wrong_is_said(self):
        self.assertEqual(self.his.call("add", 7, "")["error"]["code"], "bad_arguments")
        self.assertEqual(self.his.call("add", 8, "milk")["error"]["code"], "not_found")

    def test_former_member_is_out(self):
        with capture_emits():
            self.list.members.remove(self.bob)
        self.assertIn("room:left", self.heard(self.his))
        self.assertEqual(self.his.call("room:join", "lists.7")["error"]["code"], "forbidden")
