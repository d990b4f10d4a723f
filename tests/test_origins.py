"""The origin check by Django's settings, each rule on its own."""

from typing import Any

import pytest
from django.test import override_settings

from realtime.engine.origins import refusal

SITE = {"ALLOWED_HOSTS": ["shop.example", ".wild.example"], "DEBUG": False}


def ask(origin: str | None, host: str = "shop.example", scheme: str = "http", **more: str) -> Any:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return refusal({"headers": headers, "scheme": scheme})


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://shop.example",
        "https://shop.example",
        "http://shop.example:3000",
        "http://SHOP.example",
        "http://a.wild.example",
        "ws://shop.example",
        "wss://shop.example",
        "WSS://shop.example:3000",
        "ws://a.wild.example",
    ],
)
@override_settings(**SITE)
def test_own_hosts_are_allowed(origin: str | None) -> None:
    assert ask(origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://shop.example.evil.example",
        "http://evilshop.example",
        "http://shop.example@evil.example",
        "http://shop.example/",
        "",
        "ftp://shop.example",
        "http://[::1",
        "chrome-extension://abc",
        "ws://evil.example",
        "wss://evil.example",
        "ws://shop.example@evil.example",
        "ws://shop.example/",
        "wsx://shop.example",
        "ws:",
    ],
)
@override_settings(**SITE)
def test_others_are_refused_with_the_setting_to_change(origin: str) -> None:
    assert "CSRF_TRUSTED_ORIGINS" in ask(origin)


@pytest.mark.parametrize("origin", ["null", "file://"])
def test_page_opened_as_a_file_is_refused_with_what_helps(origin: str) -> None:
    with override_settings(**SITE, CSRF_TRUSTED_ORIGINS=[origin]):
        assert "Serve the page with a web server" in ask(origin)
        assert "CSRF_TRUSTED_ORIGINS" not in ask(origin)


@override_settings(ALLOWED_HOSTS=["*"], DEBUG=False)
def test_star_allows_the_requests_own_host_only() -> None:
    assert ask("http://any.example", host="any.example") is None
    assert ask("http://any.example:8000", host="any.example:8000") is None
    assert ask("http://any.example:8001", host="any.example:8000") is not None
    assert ask("ws://any.example", host="any.example") is None
    assert ask("wss://any.example", host="any.example:443") is None
    assert ask("ws://any.example", host="any.example:8000") is not None
    assert ask("http://evil.example", host="any.example") is not None


@override_settings(
    **SITE, CSRF_TRUSTED_ORIGINS=["https://app.example:8443", "https://*.partner.example"]
)
def test_trusted_origins_count_with_scheme_port_and_wildcard() -> None:
    assert ask("https://app.example:8443") is None
    assert ask("wss://app.example:8443") is None
    assert ask("ws://app.example:8443") is not None
    assert ask("https://app.example") is not None
    assert ask("http://app.example:8443") is not None
    assert ask("https://eu.partner.example") is None
    assert ask("http://eu.partner.example") is not None


@override_settings(
    **SITE, CSRF_TRUSTED_ORIGINS=["capacitor://localhost", "https://localhost", "app://your-name"]
)
def test_origins_of_apps_are_allowed_by_name() -> None:
    for origin in ("capacitor://localhost", "https://localhost", "app://your-name"):
        assert ask(origin) is None
    for origin in ("ionic://localhost", "app://another", "capacitor://evil", "null", "file://"):
        assert ask(origin) is not None


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:9"])
def test_debug_without_hosts_allows_this_machine(origin: str) -> None:
    with override_settings(ALLOWED_HOSTS=[], DEBUG=True):
        assert ask(origin, host="localhost:8000") is None
    with override_settings(ALLOWED_HOSTS=[], DEBUG=False):
        assert ask(origin, host="localhost:8000") is not None


@override_settings(**SITE)
def test_secure_site_refuses_pages_that_came_in_the_clear() -> None:
    for scheme in ("https", "wss"):
        assert "secure" in ask("http://shop.example", scheme=scheme)
        assert ask("https://shop.example", scheme=scheme) is None
        assert "secure" in ask("ws://shop.example", scheme=scheme)
        assert ask("wss://shop.example", scheme=scheme) is None


@override_settings(**SITE)
def test_forwarded_headers_count_only_where_django_is_told_so() -> None:
    assert ask("http://front.example", x_forwarded_host="front.example") is not None
    assert ask("http://shop.example", x_forwarded_proto="https") is None
    with override_settings(USE_X_FORWARDED_HOST=True, ALLOWED_HOSTS=["front.example"]):
        assert ask("http://front.example", host="inner", x_forwarded_host="front.example") is None
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert ask("http://shop.example", x_forwarded_proto="https") is not None
        assert ask("https://shop.example", x_forwarded_proto="https") is None


@override_settings(**SITE)
def test_two_origins_are_one_too_many() -> None:
    headers = [(b"host", b"shop.example"), (b"origin", b"http://shop.example")]
    assert refusal({"headers": [*headers, headers[1]], "scheme": "http"}) is not None
