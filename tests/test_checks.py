"""System checks: each by the mistake that it finds."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.test import override_settings

from realtime.checks.settings import RULES
from realtime.checks.site import FLOORS, check_settings
from realtime.conf import DEFAULTS
from realtime.server import client_script
from tests.documents import ROOT

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
POSTGRES = "channels_postgres.core.PostgresChannelLayer"
#: As in its README: without what Django adds to DATABASES.
LACKING = {"NAME": "x", "USER": "x", "PASSWORD": "x", "HOST": "127.0.0.1", "PORT": "1"}


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
        ({"CHANNEL_LAYERS": {"default": {"BACKEND": "nowhere.Layer"}}}, "realtime.E007"),
        ({"CHANNEL_LAYERS": {"default": {}}}, "realtime.E007"),
        (
            {"CHANNEL_LAYERS": {"default": {"BACKEND": CORE, "CONFIG": {"host": "redis"}}}},
            "realtime.E007",
        ),
        (
            {"CHANNEL_LAYERS": {"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": "redis://x"}}}},
            "realtime.E007",
        ),
        (
            {"CHANNEL_LAYERS": {"default": {"BACKEND": POSTGRES, "CONFIG": LACKING}}},
            "realtime.E007",
        ),
        (
            {
                "CHANNEL_LAYERS": {"default": {"BACKEND": POSTGRES, "CONFIG": LACKING}},
                "INSTALLED_APPS": [
                    app for app in django_settings.INSTALLED_APPS if app != "channels_postgres"
                ],
            },
            "realtime.E007",
        ),
        (
            {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
            "realtime.W023",
        ),
    ],
)
def test_mistake_is_found(change: dict[str, Any], expected: str) -> None:
    with override_settings(**{"DEBUG": True, **change}):
        messages = check_settings(None)
    assert [message.id for message in messages] == [expected]
    assert messages[0].hint


def test_the_in_memory_layer_is_no_fault_in_tests_whose_emits_stay_in_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with override_settings(DEBUG=False):
        assert ids() == []
        monkeypatch.delattr(mail, "outbox")
        assert ids() == ["realtime.W003"]


@pytest.mark.parametrize("key", ["PING_INTERVALL", "ping_interval"])
def test_a_misspelt_key_is_told_what_was_probably_meant(key: str) -> None:
    with override_settings(DEBUG=True, REALTIME={key: 5}):
        (message,) = check_settings(None)
    assert message.hint.startswith("Did you mean 'PING_INTERVAL'? The keys are ")


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


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
def test_redis_layer_is_right(backend: str) -> None:
    layers = {"default": {"BACKEND": backend, "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}}
    with override_settings(CHANNEL_LAYERS=layers):
        assert ids() == []


def test_each_key_has_a_rule_that_its_default_keeps() -> None:
    assert RULES.keys() == DEFAULTS.keys()
    with override_settings(DEBUG=True, REALTIME=dict(DEFAULTS)):
        assert ids() == []


#: What environment variables, JSON and haste make of the values.
WRONG: dict[str, list[Any]] = {
    "PATH": ["socket.io/", "/", "", "/socket.io/?x", None],
    "TRANSPORTS": [[], "websocket", ["websockets"]],
    "PARSER": ["pickle", None],
    "JSON": ["nowhere", "", "os", None, ".json"],
    "CHANNEL_LAYER": ["", None],
    "SITE": ["", " ", 5, b"shop"],
    "RELAY": ["no", 0, None],
    "EMIT_FAIL_SILENTLY": ["no", 0, None],
    "RESYNC_EVENT": ["disconnect", "connect_error", "", 5],
    "METRICS_TOKEN": [5, b"token"],
    "RECOVERY": [
        True,
        [],
        {"WINDOW": 0},
        {"WINDOW": "120"},
        {"window": 120},
        {"MAX_EVENTS": 1.5},
        {"MAX_BYTES": 0},
        {"MAX_SESSIONS": None},
        {"MAX_MEMORY": True},
        {"RESYNC_EVENT": "disconnect"},
    ],
    "HEARTBEAT_INTERVAL": [0, 3600, "1"],
    "REQUEST_TIMEOUT": [0, 3600, None],
    **{
        key: [0, 0.1, "100", True]
        for key in ["EVENT_RATE", "PACKET_RATE", "CONNECTION_RATE", "NAMESPACE_RATE"]
    },
    **{key: [-1, "5"] for key in ["CLOSE_TIMEOUT", "DRAIN_TIMEOUT", "DRAIN_PAUSE", "DRAIN_DELAY"]},
    "PRESENCE_GRACE": [-1, None],
    "LOGIN_CHECK_INTERVAL": [0, -1, None, "30"],
    "AUTHENTICATION_CLASSES": [None, "realtime.authentication.SessionAuthentication", [5]],
    "TOKEN_SOURCES": [None, "auth", ["cookie"], [["auth"]]],
    "TOKEN_AGE": [0, -1, None, "3600"],
    "JWT": [None, "secret", ["KEY"]],
    **{
        key: [0, "25", None, True, float("inf"), float("nan")]
        for key in ["PING_INTERVAL", "PING_TIMEOUT", "CONNECT_TIMEOUT", "UPGRADE_TIMEOUT"]
    },
    **{key: [0, -1, None] for key in ["CALL_TIMEOUT", "EMIT_TIMEOUT"]},
    **{
        key: [0, 1.5, "32", None, True]
        for key in ["DRAIN_BATCH", "THREADS", "MAX_PAYLOAD", "OUTBOX_MESSAGES", "OUTBOX_BYTES"]
    },
    **{
        key: [0, None, 1e3]
        for key in ["INBOX_EVENTS", "INBOX_BYTES", "MAX_NAMESPACES", "MAX_ROOMS"]
    },
    "DURABLE_DATABASES": [[], "default", ["nowhere"], None],
    "DURABLE_INTERVAL": [0, "1"],
    "DURABLE_LEASE": [0, None],
    "DURABLE_ATTEMPTS": [0, None, 1.5],
    "DURABLE_RETENTION": [-1, None],
    "ONCE_CACHE": ["nowhere", None],
    "ONCE_SECONDS": [0, None],
    "ONCE_ANSWER_BYTES": [-1, 1.5, None],
    "WEBSOCKET_COMPRESSION": ["no", 0, None],
    "MAX_ATTACHMENTS": [0, None, 1e3, True, 1_001],
    "GC_THRESHOLD": [0, 1e4, True, 2**31],
}


def test_each_key_is_tried_with_wrong_values() -> None:
    assert WRONG.keys() == DEFAULTS.keys()


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_wrong_value_is_found(key: str, value: Any) -> None:
    with override_settings(DEBUG=True, REALTIME={key: value}):
        (message,) = check_settings(None)
    assert message.id == "realtime.E006"
    assert key in message.msg and message.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PATH", "/ws"),
        ("TRANSPORTS", ("websocket",)),
        ("PARSER", "msgpack"),
        ("JSON", "realtime.orjson"),
        ("EVENT_RATE", None),
        ("RESYNC_EVENT", "resync"),
        ("RECOVERY", {}),
        ("RECOVERY", {"WINDOW": 60, "MAX_EVENTS": 500, "RESYNC_EVENT": None}),
        ("METRICS_TOKEN", "a secret"),
        ("DRAIN_TIMEOUT", 0),
        ("HEARTBEAT_INTERVAL", 5),
    ],
)
def test_right_value_is_not_found(key: str, value: Any) -> None:
    with override_settings(DEBUG=True, REALTIME={key: value}):
        assert ids() == []


@pytest.mark.parametrize(
    "wrong",
    [{"METRICS_TOKEN": b"hush"}, {"JWT": ["hush"]}, {"JWT": {"KEY": "hush", "KEYS": "hush"}}],
)
def test_secret_is_not_printed(wrong: dict[str, Any]) -> None:
    classes = ["realtime.authentication.JWTAuthentication"]
    with override_settings(DEBUG=True, REALTIME={"AUTHENTICATION_CLASSES": classes, **wrong}):
        assert "hush" not in str(check_settings(None))
        assert ids()


JWT = {"AUTHENTICATION_CLASSES": ["realtime.authentication.JWTAuthentication"]}
HS256 = {"ALGORITHMS": ["HS256"], "KEY": "k" * 32}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"AUTHENTICATION_CLASSES": ["realtime.authentication.TokenAuth"]}, "can't be imported"),
        ({"AUTHENTICATION_CLASSES": ["realtime.permissions.IsStaff"]}, "not a subclass"),
        ({**JWT, "JWT": {"KEY": "k" * 32}}, "ALGORITHMS must be a list"),
        ({**JWT, "JWT": {**HS256, "ALGORITHMS": ["none"]}}, "anybody could make such a token"),
        ({**JWT, "JWT": {**HS256, "ALGORITHMS": ["HS256", "RS256"]}}, "must not mix"),
        ({**JWT, "JWT": {**HS256, "ALGORITHMS": "HS256"}}, "ALGORITHMS must be a list"),
        ({**JWT, "JWT": {**HS256, "JWKS_URL": "https://x"}}, "not both"),
        ({**JWT, "JWT": {"ALGORITHMS": ["HS256"]}}, "one of KEY and JWKS_URL"),
        ({**JWT, "JWT": {"ALGORITHMS": ["RS256"], "JWKS_URL": "file:///keys"}}, "address"),
        ({**JWT, "JWT": {"ALGORITHMS": ["RS256"], "KEY": "k" * 32}}, "none for RS256"),
        ({**JWT, "JWT": {**HS256, "KEY": 5}}, "KEY must be a string"),
        ({**JWT, "JWT": {"ALGORITHMS": ["RS256"], "JWKS_URL": "http://x/"}}, "without encryption"),
        ({**JWT, "JWT": {**HS256, "LEEWAY": "5"}}, "LEEWAY"),
        ({**JWT, "JWT": {**HS256, "AUD": "shop"}}, "unknown option AUD"),
    ],
)
def test_authentication_that_can_not_work_is_found(options: dict[str, Any], words: str) -> None:
    with override_settings(DEBUG=True, REALTIME=options):
        (message,) = check_settings(None)
    assert words in message.msg and message.hint


@pytest.mark.parametrize("options", [HS256, {**HS256, "KEY": ["k" * 32, "l" * 32]}])
def test_authentication_that_works_is_not_found(options: dict[str, Any]) -> None:
    with override_settings(DEBUG=True, REALTIME={**JWT, "JWT": options}):
        assert ids() == []


def test_tokens_of_an_app_that_is_missing_are_found() -> None:
    classes = ["realtime.authentication.RestFrameworkTokenAuthentication"]
    apps = [app for app in django_settings.INSTALLED_APPS if app != "rest_framework.authtoken"]
    with override_settings(
        DEBUG=True, INSTALLED_APPS=apps, REALTIME={"AUTHENTICATION_CLASSES": classes}
    ):
        (message,) = check_settings(None)
    assert message.id == "realtime.E032" and "migrate" in str(message.hint)


def test_msgpack_without_its_library_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)  # Python's own way to have none
    with override_settings(DEBUG=True, REALTIME={"PARSER": "msgpack"}):
        assert ids() == ["realtime.E006"]


def install(folder: Path, name: str, version: str) -> None:
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("daphne", "4.2.1"),
        ("python-socketio", "5.9.0"),
        ("channels", "4.3.0rc1"),
        ("Django", "5.1"),
    ],
)
def test_old_version_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, version: str
) -> None:
    install(tmp_path, name, version)
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(DEBUG=True):
        (message,) = check_settings(None)
    assert message.id == "realtime.E008" and f"{name} {version} is installed" in message.msg


def test_newer_version_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path, "daphne", "4.10")
    install(tmp_path, "python-socketio", "6.0.dev0")
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(DEBUG=True):
        assert ids() == []


def test_floors_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(need for extra in extras.values() for need in extra)]
    pairs = (need.partition(",")[0].partition(">=") for need in needed)
    floors = {name.partition("[")[0]: floor for name, _, floor in pairs}
    assert FLOORS.items() <= floors.items()
    assert {need.split(">=")[0] for need in project["dependencies"]} <= FLOORS.keys()


# Run in a project of its own: this one has the app.
FORGOTTEN = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["channels"], SECRET_KEY="x")
django.setup()
{statement}
from django.core.management import call_command
call_command("check")
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("from realtime import emit", "realtime.E009"),
        ("from realtime.asgi import get_asgi_application as get; get()", "ImproperlyConfigured"),
    ],
)
def test_a_project_that_forgot_the_app_is_told(statement: str, said: str) -> None:
    code = FORGOTTEN.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert said in done.stderr and 'Add "realtime" to INSTALLED_APPS' in done.stderr


def test_sessions_whose_app_is_missing_are_found() -> None:
    """In a project of its own, for a model that was imported once stays."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "tests.bare_site",
            "BARE_APPS": "django.contrib.auth,django.contrib.contenttypes",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "realtime.W022" in done.stderr
