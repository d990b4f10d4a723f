"""Which web pages may open a connection: the Origin header against Django's settings. Pure.

Browsers let any page open a websocket to any host and send the cookies along, so this check is
what stands for CSRF protection here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

_DEFAULT_PORTS = {"http": "80", "https": "443"}
# Clients that are no browsers, such as Swift's URLSession, name the address that they connect to.
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
# Of every local file; and any site can make a page of the first, with a sandboxed frame.
_NOBODYS = ("null", "file://")
# What Django's own runserver accepts with DEBUG and an empty ALLOWED_HOSTS.
_DEBUG_HOSTS = (".localhost", "127.0.0.1", "[::1]")


def refusal(scope: Mapping[str, Any]) -> str | None:
    """Why the request of an ASGI scope is refused for its Origin; None if it is allowed.

    A request without an Origin header comes from no web page and is allowed.
    """
    origins = _headers(scope, b"origin")
    if not origins:
        return None
    if len(origins) > 1:
        return "more than one Origin header"
    origin = origins[0]
    if origin in _NOBODYS:
        return (
            f"origin {origin!r} is never allowed: every page that is opened as a file or shown in a"
            " sandboxed frame has it. Serve the page with a web server"
        )
    as_http = _as_http(origin)
    if _is_trusted(origin) or _is_trusted(as_http):
        return None
    parts = _split(as_http)
    if parts is None:
        return f"origin {origin!r} is not allowed: add it to CSRF_TRUSTED_ORIGINS"
    if parts.scheme == "http" and _is_secure(scope):
        return (
            f"origin {origin!r} is not allowed on a secure connection: "
            "use https there, or add it to CSRF_TRUSTED_ORIGINS"
        )
    if _is_same_host(scope, parts) or _is_allowed_host(parts):
        return None
    return (
        f"origin {origin!r} is not allowed: "
        "add it to CSRF_TRUSTED_ORIGINS (or its host to ALLOWED_HOSTS)"
    )


def _headers(scope: Mapping[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _as_http(origin: str) -> str:
    """The origin with http(s) in place of ws(s): both name the same site."""
    scheme, colon, rest = origin.partition(":")
    return f"{_WEBSOCKET_SCHEMES.get(scheme.lower(), scheme)}{colon}{rest}"


def _split(origin: str) -> SplitResult | None:
    """The parts of an http(s) origin, or None for "null", other schemes and nonsense."""
    try:
        parts = urlsplit(origin)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    nothing_else = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts if host and nothing_else and parts.scheme in _DEFAULT_PORTS else None


def _is_trusted(origin: str) -> bool:
    """CSRF_TRUSTED_ORIGINS as Django reads it: exact, or scheme://*.domain."""
    trusted: list[str] = settings.CSRF_TRUSTED_ORIGINS
    origin = origin.lower()
    if any(origin == entry.lower() for entry in trusted if "*" not in entry):
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    wildcards = [urlsplit(entry.lower()) for entry in trusted if "*" in entry]
    return any(
        entry.scheme == parts.scheme and validate_host(parts.netloc, [entry.netloc.lstrip("*")])
        for entry in wildcards
    )


def _is_secure(scope: Mapping[str, Any]) -> bool:
    """As `HttpRequest.is_secure`: a trusted proxy's header decides, where one is set."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure_value = settings.SECURE_PROXY_SSL_HEADER
        values = _headers(scope, name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        if values:
            return ",".join(values).split(",", 1)[0].strip() == secure_value
    return scope.get("scheme") in ("https", "wss")


def _allowed_hosts() -> list[str]:
    hosts = list(settings.ALLOWED_HOSTS)
    return hosts or (list(_DEBUG_HOSTS) if settings.DEBUG else [])


def _request_host(scope: Mapping[str, Any]) -> str | None:
    if settings.USE_X_FORWARDED_HOST and (forwarded := _headers(scope, b"x-forwarded-host")):
        return ",".join(forwarded)
    hosts = _headers(scope, b"host")
    return hosts[0] if len(hosts) == 1 else None


def _is_same_host(scope: Mapping[str, Any], origin: SplitResult) -> bool:
    host = _request_host(scope)
    if host is None:
        return False
    domain, port = split_domain_port(host)
    if not domain or not validate_host(domain, _allowed_hosts()):
        return False
    default = _DEFAULT_PORTS[origin.scheme]
    return (domain, port or default) == (_host(origin), str(origin.port or default))


def _is_allowed_host(origin: SplitResult) -> bool:
    named = [pattern for pattern in _allowed_hosts() if pattern != "*"]
    return validate_host(_host(origin), named)


def _host(origin: SplitResult) -> str:
    """The host name as Django writes it: lower case, IPv6 in brackets, no dot at the end."""
    host = (origin.hostname or "").removesuffix(".")
    return f"[{host}]" if ":" in host else host
