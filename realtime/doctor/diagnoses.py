"""What an unexpected answer means, and what to change. Pure."""

from .findings import Ailment
from .site import Answer, Site

#: Codes of Engine.IO's refusals; see engine/transports/http.py.
TRANSPORT_UNKNOWN, SESSION_UNKNOWN, BAD_METHOD, BAD_REQUEST, FORBIDDEN = range(5)

UPGRADE_HEADERS = (
    "With nginx, in the `location` of Socket.IO: proxy_http_version 1.1; proxy_set_header Upgrade"
    ' $http_upgrade; proxy_set_header Connection "upgrade". With Apache'
    " use mod_proxy_wstunnel. Without a proxy: uvicorn needs `pip install websockets`."
)


def not_live(site: Site, answer: Answer) -> Ailment:
    """realtime's health address gave an answer that is not realtime's."""
    path = site.path("health/live")
    common = _by_status(site, answer, path)
    if common is not None:
        return common
    return Ailment(
        f"{site.origin} answers, but not realtime: {path} returned HTTP {answer.status}",
        'Does the server have the same REALTIME["PATH"] as this command? Does it run the'
        " application of realtime.asgi.get_asgi_application(), rather than the site's wsgi.py?"
        " Does the proxy pass this address on, rather than answer with its own page?",
    )


def no_handshake(site: Site, answer: Answer) -> Ailment:
    """A polling request was not answered with 200."""
    refusal = answer.refusal
    if refusal is None:
        path = site.path()
        return _by_status(site, answer, path) or Ailment(
            f"{path} returned HTTP {answer.status}: {answer.text[:100]!r}",
            "That answer is not realtime's: a proxy or another application gave it.",
        )
    message = str(refusal.get("message", ""))
    if refusal["code"] == FORBIDDEN:
        return _bad_origin(message)
    if refusal["code"] == TRANSPORT_UNKNOWN:
        return Ailment(
            "the server does not accept polling",
            'Its REALTIME["TRANSPORTS"] differs from this command\'s.',
        )
    if refusal["code"] == SESSION_UNKNOWN:
        return Ailment(f"a poll reached a process that does not know its session: {message}",
            "Several processes serve this address. Do one of these: give them a layer of"
            ' channels_redis and leave REALTIME["RELAY"] on, so that each can answer for the'
            " others; have the load balancer send a client to the same process each time (sticky"
            ' sessions); or have clients connect with transports: ["websocket"].')  # fmt: skip
    if refusal["code"] == BAD_REQUEST and answer.status == 400:
        return Ailment(
            "the server did not understand what this command sent",
            'The server, this command and the clients must have the same REALTIME["PARSER"].',
        )
    return Ailment(f"HTTP {answer.status}: {message}", _of_status(answer.status))


def no_websocket(site: Site, answer: Answer) -> Ailment:
    """The answer to the websocket's handshake was not 101."""
    refusal = answer.refusal
    if refusal is not None and refusal["code"] == BAD_REQUEST and answer.status == 400:
        return Ailment(
            "the server got a plain HTTP request: the Upgrade header was lost on the way",
            UPGRADE_HEADERS,
        )
    if refusal is not None and refusal["code"] == FORBIDDEN:
        return _bad_origin(str(refusal.get("message", "")))
    if answer.status == 403:
        return Ailment(
            "the server refused the websocket (HTTP 403)",
            "The server's log says why, in a warning from `realtime.engine`: an Origin that no"
            " setting allows, more connections a second than CONNECTION_RATE, or a process that"
            " is shutting down.",
        )
    return _by_status(site, answer, site.path()) or Ailment(
        f"the answer to the websocket was HTTP {answer.status}, not 101", UPGRADE_HEADERS
    )


def no_page(site: Site, answer: Answer, path: str) -> Ailment:
    """A page of the site can't be fetched."""
    return _by_status(site, answer, path) or Ailment(
        f"{path} returned HTTP {answer.status}", "The server's log says more."
    )


def _bad_origin(message: str) -> Ailment:
    return Ailment(
        f"browsers on this site are refused: {message}",
        "Behind a proxy, have it pass on the Host (nginx: proxy_set_header Host $http_host) and,"
        " with TLS, the scheme (X-Forwarded-Proto and SECURE_PROXY_SSL_HEADER). Otherwise change"
        " the setting that the message names.",
    )


def _by_status(site: Site, answer: Answer, path: str) -> Ailment | None:
    """What a status means wherever it comes from."""
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "")
        return Ailment(
            f"{path} redirects to {target}",
            "Clients do not follow redirects. Give them, and --url, the address of the target.",
        )
    if answer.status == 401:
        return Ailment(
            f"{path} asks for a password (HTTP 401)",
            "Exempt this path from the password in the proxy.",
        )
    if answer.status in (502, 503, 504):
        return Ailment(f"{path} returned HTTP {answer.status}", _of_status(answer.status))
    if answer.status == 400 and answer.refusal is None:
        return Ailment(
            f"{path} returned HTTP 400, from Django or the proxy",
            "Django answers like this if ALLOWED_HOSTS does not contain the Host"
            f" ({site.netloc!r}). A proxy answers like this to http:// on a port for https://.",
        )
    return None


def _of_status(status: int) -> str:
    return {
        429: "There were more connections a second from one address than"
        ' REALTIME["CONNECTION_RATE"] allows. Behind a proxy all clients have the proxy\'s address,'
        " unless the server trusts X-Forwarded-For.",
        502: "The proxy can't reach a server. Are the servers running, at the addresses that the"
        " proxy is configured with?",
        503: "The process is shutting down, or the proxy has no server. Try again, and look at the"
        " log.",
        504: "The proxy waited for a server that did not answer. Look at the server's log.",
    }.get(status, "The server's log says more.")
