"""What an unexpected answer means, and what to change. Pure."""

from .findings import Ailment
from .site import Answer, Site

#: Codes of Engine.IO's refusals; see engine/transports/http.py.
TRANSPORT_UNKNOWN, SESSION_UNKNOWN, BAD_METHOD, BAD_REQUEST, FORBIDDEN = range(5)

UPGRADE_HEADERS = (
    "In nginx, in the `location` of Socket.IO: proxy_http_version 1.1; proxy_set_header Upgrade"
    ' $http_upgrade; proxy_set_header Connection "upgrade"; see docs/deploy/nginx.conf. In Apache'
    " mod_proxy_wstunnel. Without a proxy: uvicorn needs `pip install websockets`."
)


def not_live(site: Site, answer: Answer) -> Ailment:
    """The health address of realtime did not answer as it does."""
    path = site.path("health/live")
    common = _by_status(site, answer, path)
    if common is not None:
        return common
    return Ailment(
        f"{site.origin} answers, but not realtime: {path} is HTTP {answer.status}",
        'Is REALTIME["PATH"] the same there and here? Does the server run the application of'
        " realtime.asgi.get_asgi_application(), and not the site's wsgi.py? Does the proxy pass"
        " this address on, and not a page of its own?",
    )


def no_handshake(site: Site, answer: Answer) -> Ailment:
    """A polling request was not answered with 200."""
    refusal = answer.refusal
    if refusal is None:
        path = site.path()
        return _by_status(site, answer, path) or Ailment(
            f"{path} is HTTP {answer.status}: {answer.text[:100]!r}",
            "That is no answer of realtime: a proxy's, or another application's at this address.",
        )
    message = str(refusal.get("message", ""))
    if refusal["code"] == FORBIDDEN:
        return _bad_origin(message)
    if refusal["code"] == TRANSPORT_UNKNOWN:
        return Ailment(
            "the server takes no polling", 'REALTIME["TRANSPORTS"] is another one there than here.'
        )
    if refusal["code"] == SESSION_UNKNOWN:
        return Ailment(f"a poll came to a process that does not know its session: {message}",
            "Several processes serve this address. Give them one of channels_redis' layers and"
            ' leave REALTIME["RELAY"] on, so that each can answer for the others; or let the load'
            " balancer send a client to the same process each time (sticky sessions); or let"
            ' clients connect with transports: ["websocket"].')  # fmt: skip
    if refusal["code"] == BAD_REQUEST and answer.status == 400:
        return Ailment(
            "the server did not understand what we sent",
            'REALTIME["PARSER"] has to be the same there and here, and in the clients.',
        )
    return Ailment(f"HTTP {answer.status}: {message}", _of_status(answer.status))


def no_websocket(site: Site, answer: Answer) -> Ailment:
    """The websocket's handshake was not answered with 101."""
    refusal = answer.refusal
    if refusal is not None and refusal["code"] == BAD_REQUEST and answer.status == 400:
        return Ailment(
            "the server saw a plain request: its Upgrade header was lost on the way",
            UPGRADE_HEADERS,
        )
    if refusal is not None and refusal["code"] == FORBIDDEN:
        return _bad_origin(str(refusal.get("message", "")))
    if answer.status == 403:
        return Ailment(
            "the server refused the websocket (HTTP 403)",
            "The server's log says why, at WARNING of `realtime.engine`: an Origin that no setting"
            " allows, more connections a second than CONNECTION_RATE, or a process that ends.",
        )
    return _by_status(site, answer, site.path()) or Ailment(
        f"the websocket was answered HTTP {answer.status}, not 101", UPGRADE_HEADERS
    )


def no_page(site: Site, answer: Answer, path: str) -> Ailment:
    """A page of the site is not to be had."""
    return _by_status(site, answer, path) or Ailment(
        f"{path} is HTTP {answer.status}", "The server's log says more."
    )


def _bad_origin(message: str) -> Ailment:
    return Ailment(
        f"browsers on this site are refused: {message}",
        "Behind a proxy, let it pass the Host on (nginx: proxy_set_header Host $http_host), and"
        " with TLS the scheme (X-Forwarded-Proto and SECURE_PROXY_SSL_HEADER); else change the"
        " setting that the message names.",
    )


def _by_status(site: Site, answer: Answer, path: str) -> Ailment | None:
    """What a status means wherever it comes from."""
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "")
        return Ailment(
            f"{path} redirects to {target}",
            "Clients do not follow: give them, and --url, the address that it redirects to.",
        )
    if answer.status == 401:
        return Ailment(
            f"{path} asks for a password (HTTP 401)", "Take Socket.IO out of it in the proxy."
        )
    if answer.status in (502, 503, 504):
        return Ailment(f"HTTP {answer.status} at {path}", _of_status(answer.status))
    if answer.status == 400 and answer.refusal is None:
        return Ailment(
            f"HTTP 400 at {path}, from Django or the proxy",
            f"Django answers so to a Host that ALLOWED_HOSTS does not list ({site.netloc!r}), and a"
            " proxy to http:// where it serves https://.",
        )
    return None


def _of_status(status: int) -> str:
    return {
        429: 'More connections a second than REALTIME["CONNECTION_RATE"] from one address: behind a'
        " proxy all have the proxy's, unless the server believes X-Forwarded-For.",
        502: "The proxy reaches no server: are they up, and at the addresses that it has?",
        503: "A process that ends, or a proxy without a server: try again, look at its log.",
        504: "The proxy waits for a server that does not answer.",
    }.get(status, "The server's log says more.")
