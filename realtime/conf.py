"""The `REALTIME` setting: one dict, read at the first use of a key; `override_settings` works."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

#: Every key with its default. docs/settings.md says what each one is for.
DEFAULTS: Mapping[str, Any] = {
    "PATH": "/socket.io/",
    "TRANSPORTS": ["polling", "websocket"],
    "PARSER": "json",
    "JSON": "realtime.json",
    "CHANNEL_LAYER": "default",
    "SITE": None,
    "PING_INTERVAL": 25.0,
    "PING_TIMEOUT": 20.0,
    "CONNECT_TIMEOUT": 45.0,
    "UPGRADE_TIMEOUT": 10.0,
    "CLOSE_TIMEOUT": 10.0,
    "DRAIN_DELAY": 0.0,
    "DRAIN_BATCH": 100,
    "DRAIN_PAUSE": 0.5,
    "DRAIN_TIMEOUT": 25.0,
    "EMIT_TIMEOUT": 5.0,
    "EMIT_FAIL_SILENTLY": False,
    "CALL_TIMEOUT": 60.0,
    "REQUEST_TIMEOUT": 2.0,
    "RELAY": True,
    "HEARTBEAT_INTERVAL": 1.0,
    "RESYNC_EVENT": None,
    "RECOVERY": None,
    "PRESENCE_GRACE": 5.0,
    "LOGIN_CHECK_INTERVAL": 30.0,
    "AUTHENTICATION_CLASSES": ["realtime.authentication.SessionAuthentication"],
    "TOKEN_SOURCES": ["auth", "header"],
    "TOKEN_AGE": 3600.0,
    "JWT": {},
    "THREADS": 32,
    "GC_THRESHOLD": 10_000,
    "WEBSOCKET_COMPRESSION": False,
    "MAX_PAYLOAD": 1_000_000,
    "MAX_ATTACHMENTS": 10,
    "OUTBOX_MESSAGES": 10_000,
    "OUTBOX_BYTES": 8_000_000,
    "INBOX_EVENTS": 1_000,
    "INBOX_BYTES": 4_000_000,
    "EVENT_RATE": 5_000,
    "PACKET_RATE": 10_000,
    "CONNECTION_RATE": 1_000,
    "NAMESPACE_RATE": 100,
    "MAX_NAMESPACES": 100,
    "MAX_ROOMS": 1_000,
    "DURABLE_DATABASES": ["default"],
    "DURABLE_INTERVAL": 1.0,
    "DURABLE_LEASE": 15.0,
    "DURABLE_ATTEMPTS": 20,
    "DURABLE_RETENTION": 86_400.0,
    "ONCE_CACHE": "default",
    "ONCE_SECONDS": 86_400.0,
    "ONCE_ANSWER_BYTES": 10_000,
    "METRICS_TOKEN": None,
}


class _Known:
    """Settings that have been read: plain attributes, which Python finds fastest."""

    def forget(self) -> None:
        """Read every key again at its next use."""
        self.__class__ = Settings
        vars(self).clear()


class Settings(_Known):
    """`settings.PATH` is `REALTIME["PATH"]`, or its default."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"REALTIME has no key {name!r}")
        chosen = getattr(django_settings, "REALTIME", {})
        # If it is not a dict, a system check says so, and needs these defaults itself.
        given = chosen if isinstance(chosen, dict) else {}
        vars(self).update({key: given.get(key, default) for key, default in DEFAULTS.items()})
        # An object with a `__getattr__` is asked for each attribute in the slow way, also for those
        # that it has, and every event asks for several.
        self.__class__ = _Known  # type: ignore[assignment]
        return vars(self)[name]


settings = Settings()


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "REALTIME":
        settings.forget()


setting_changed.connect(_forget, dispatch_uid="realtime.conf")
