"""Somebody who needs no browser for what a test only prepares: pages and forms over HTTP."""

from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from tests.live.test_javascript import Addressed


class Visitor:
    """Keeps the cookies of a site."""

    def __init__(self, site: Addressed) -> None:
        self._site = site
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def log_in(self, name: str, password: str, then: str = "/static/chat/icon.svg") -> None:
        """Where it leads is asked for as well: something that costs the site little."""
        self.post(f"/accounts/login/?next={then}", username=name, password=password)
        assert "sessionid" in self._values(), f"{name} could not log in"

    def post(self, path: str, page: str = "", **fields: str) -> str:
        """Fill in a form, on a page of its own or another one; the page to which it leads."""
        url = f"{self._site.url}{path}"
        self._opener.open(f"{self._site.url}{page or path}").close()
        form = {"csrfmiddlewaretoken": self._values()["csrftoken"], **fields}
        request = Request(url, urlencode(form).encode(), {"Referer": url})
        with self._opener.open(request) as response:
            return bytes(response.read()).decode(errors="replace")

    def _values(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._cookies}

    @property
    def cookies(self) -> str:
        """For the header `Cookie`."""
        return "; ".join(f"{name}={value}" for name, value in self._values().items())

    @property
    def state(self) -> dict[str, Any]:
        """For a browser's context, as its `storage_state`."""
        where = {"domain": "127.0.0.1", "path": "/"}
        cookies = [
            {"name": name, "value": value, **where} for name, value in self._values().items()
        ]
        return {"cookies": cookies, "origins": []}


def state_of(site: Addressed, name: str, password: str) -> dict[str, Any]:
    """The cookies of somebody who has logged in."""
    visitor = Visitor(site)
    visitor.log_in(name, password)
    return visitor.state
