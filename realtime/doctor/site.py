"""Requests to the site as a browser makes them, each on a connection of its own.

That lets a load balancer send each request to another process, which shows whether several
processes work as one.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..conf import settings
from .findings import Ailment

AGENT = "realtime-doctor"
#: Bytes of an answer that are read; realtime's answers are shorter.
MAX_BODY = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where the site is. `prefix` is what its paths begin with; `patience` is in seconds."""

    secure: bool
    host: str
    port: int
    prefix: str
    verify: bool
    patience: float

    @property
    def netloc(self) -> str:
        """The Host header, without the port if it is the scheme's default, as in browsers."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.netloc}"

    def path(self, rest: str = "") -> str:
        """An address under `REALTIME["PATH"]`."""
        return f"{self.prefix}{settings.PATH.rstrip('/')}/{rest}"

    def connect(self) -> socket.socket:
        """A connection, TLS and all. Raises Ailment."""
        try:
            plain = socket.create_connection((self.host, self.port), self.patience)
        except socket.gaierror:
            raise Ailment(
                f"there is no host {self.host!r}", "Give the site's address with --url."
            ) from None
        except ConnectionRefusedError:
            raise Ailment(
                f"nothing listens at {self.netloc}",
                "Start the server, or give the site's address with --url.",
            ) from None
        except OSError as error:
            raise Ailment(
                f"can't connect to {self.netloc}: {error}",
                "The host is down, or a firewall drops what is sent to it.",
            ) from None
        return self._secured(plain) if self.secure else plain

    def _secured(self, plain: socket.socket) -> socket.socket:
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise Ailment(
                f"the certificate of {self.host} is not valid: {error.verify_message}",
                "Clients refuse it too. If it is self-signed, use --insecure.",
            ) from None
        except (ssl.SSLError, OSError) as error:
            plain.close()
            raise Ailment(
                f"{self.netloc} does not speak TLS: {error}",
                "If the site uses http://, say so in --url.",
            ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def refusal(self) -> dict[str, Any] | None:
        """The code and message, if it is a refusal by realtime itself."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) and "code" in value else None


def parse_site(url: str, *, verify: bool, patience: float) -> Site:
    """The site at an address. Raises ValueError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    secure = {"http": False, "https": True, "ws": False, "wss": True}.get(parts.scheme)
    if secure is None or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"--url must be an address such as https://example.com, not {url!r}")
    return Site(
        secure=secure,
        host=parts.hostname,
        port=parts.port or (443 if secure else 80),
        prefix=parts.path.rstrip("/"),
        verify=verify,
        patience=patience,
    )


def fetch(
    site: Site,
    path: str,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET an address of the site, or POST a body to it. Raises Ailment."""
    connection = http.client.HTTPConnection(site.host, site.port)
    connection.sock = site.connect()
    sent = {"Host": site.netloc, "User-Agent": AGENT, "Connection": "close", **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "text/plain;charset=UTF-8"
    try:
        content = None if body is None else body.encode()
        connection.request("GET" if body is None else "POST", path, content, sent)
        response = connection.getresponse()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=response.read(MAX_BODY),
        )
    except TimeoutError:
        raise Ailment(
            f"no answer to {path} within {site.patience:g} s",
            "The process hangs, or a proxy waits for one that does. --timeout allows more time.",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Ailment(
            f"{site.netloc} broke off its answer to {path}: {error!r}",
            "The port does not serve HTTP, or only HTTPS. Try https:// in --url.",
        ) from None
    finally:
        connection.close()
