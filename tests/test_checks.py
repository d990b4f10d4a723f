"""System checks: each by the mistake that it finds."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from realtime import client_script
from realtime.checks import check_settings


def ids() -> list[str | None]:
    return [message.id for message in check_settings(None)]


def test_the_tests_own_settings_are_right() -> None:
    with override_settings(DEBUG=True):
        assert ids() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"REALTIME": {"PING_INTERVALL": 5}}, "realtime.E004"),
        ({"REALTIME": ["PATH"]}, "realtime.E003"),
        ({"ASGI_APPLICATION": None}, "realtime.E001"),
        ({"ASGI_APPLICATION": "nowhere.asgi.application"}, "realtime.E001"),
        ({"ASGI_APPLICATION": "tests.plain_asgi.application"}, "realtime.E002"),
        ({"CHANNEL_LAYERS": {}}, "realtime.W002"),
        ({"DEBUG": False}, "realtime.W003"),
    ],
)
def test_mistake_is_found(change: dict[str, Any], expected: str) -> None:
    with override_settings(**{"DEBUG": True, **change}):
        messages = check_settings(None)
    assert [message.id for message in messages] == [expected]
    assert messages[0].hint


def test_missing_client_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client_script, "FOLDER", tmp_path)
    with override_settings(DEBUG=True):
        assert ids() == ["realtime.W004"]


def without_daphne() -> list[str]:
    return [app for app in django_settings.INSTALLED_APPS if app != "daphne"]


def test_daphne_missing_is_found() -> None:
    with override_settings(DEBUG=True, INSTALLED_APPS=without_daphne()):
        assert ids() == ["realtime.W001"]


def test_daphne_after_staticfiles_is_found() -> None:
    with override_settings(
        DEBUG=True, INSTALLED_APPS=[*without_daphne(), "daphne.apps.DaphneConfig"]
    ):
        assert ids() == ["realtime.E005"]
