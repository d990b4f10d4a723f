"""The WSGI-like environ that engineio's and socketio's connect handlers are given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings

_PLAIN_HEADERS = {"CONTENT_TYPE", "CONTENT_LENGTH"}


def environ_from_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The environ of an ASGI scope, with the keys of `engineio.async_drivers.asgi`.

    Unlike there, REMOTE_ADDR is the client's address.
    """
    host, port = scope.get("client") or ("", 0)
    query = scope.get("query_string", b"").decode("latin-1")
    path = scope["path"]
    environ: dict[str, Any] = {
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.url_scheme": _http_scheme(scope.get("scheme", "http")),
        "SERVER_SOFTWARE": "asgi",
        "REQUEST_METHOD": scope.get("method", "GET"),
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "SCRIPT_NAME": settings.FORCE_SCRIPT_NAME or scope.get("root_path", ""),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": host,
        "REMOTE_PORT": str(port),
        "SERVER_NAME": "asgi",
        "SERVER_PORT": "0",
        "asgi.scope": scope,
    }
    _add_headers(environ, scope["headers"])
    return environ


def _http_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def _add_headers(environ: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        key = name if name in _PLAIN_HEADERS else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
