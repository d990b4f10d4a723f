"""The admin's pages where no server runs and the layer, in memory, reaches none."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("real_layer")]

ROOM = "?namespace=/&room=lobby"
SID = "~0123456789.01234567890123456789"
PAGES = ["room/", "socket/", "onlineuser/", "node/", f"room/view/{ROOM}", f"socket/view/?sid={SID}"]


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize("page", PAGES)
def test_page_tells_what_is_wrong_and_what_to_do(root: Client, page: str) -> None:
    for headers in ({}, {"X-Realtime-Fragment": "1"}):
        response = root.get(f"/admin/realtime/{page}", headers=headers)
        assert response.status_code == 200
        assert "configure channels_redis in CHANNEL_LAYERS" in response.content.decode()


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        (f"room/close/{ROOM}", {}),
        (f"room/emit/{ROOM}", {"event": "news", "namespace": "/"}),
        ("socket/", {"action": "disconnect", "_selected_action": SID}),
    ],
)
def test_deed_that_fails_says_so_and_is_logged_as_failed(
    root: Client, page: str, fields: dict[str, Any]
) -> None:
    response = root.post(f"/admin/realtime/{page}", {**fields, "post": "yes"}, follow=True)
    assert response.status_code == 200
    assert 'class="error"' in response.content.decode()
    assert "failed" in LogEntry.objects.get().change_message
