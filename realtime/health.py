"""Health endpoints for load balancers and supervisors, under `REALTIME["PATH"]` and as views::

    <PATH>health/live    200 while the event loop answers
    <PATH>health/ready   200 if this process can take clients, 503 and the reasons if not

The body is JSON: {"ready": false, "reasons": ["draining"]}. Under PATH, requests don't reach
Django: they need no database, no middleware, and no Host header that ALLOWED_HOSTS allows.
"""

import json
from typing import Any

from django.http import HttpRequest, JsonResponse

from .node.current import serving
from .node.node import ServingNode

PREFIX = "health/"

Answer = tuple[int, dict[str, Any]]


def reasons_not_ready(node: ServingNode | None) -> list[str]:
    """Why no clients should be sent to this process; to be called in the node's event loop."""
    if node is None or not node.is_running:
        return ["no Socket.IO server has been started in this process"]
    reasons = []
    if node.cluster.nodes.draining:
        reasons.append("draining: send clients to another process")
    if not node.cluster.nodes.healthy:
        reasons.append("this process does not hear itself through the channel layer")
    return reasons


def _live(node: ServingNode | None) -> Answer:
    return 200, {"live": True}


def _ready(node: ServingNode | None) -> Answer:
    reasons = reasons_not_ready(node)
    return (503 if reasons else 200), {"ready": not reasons, "reasons": reasons}


_ANSWERS = {"live": _live, "ready": _ready}


async def live(request: HttpRequest) -> JsonResponse:
    """The view of `<PATH>health/live`, to serve it at another address."""
    return _response(_live(serving()))


async def ready(request: HttpRequest) -> JsonResponse:
    """The view of `<PATH>health/ready`, to serve it at another address."""
    return _response(_ready(serving()))


def _response(answer: Answer) -> JsonResponse:
    status, body = answer
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


async def serve(name: str, node: ServingNode, scope: dict[str, Any], send: Any) -> None:
    """Answer an HTTP request for `<PATH>health/<name>`."""
    answer = _ANSWERS.get(name.rstrip("/"))
    if answer is None:
        status, body = 404, {"error": f"there is only {' and '.join(_ANSWERS)} here"}
    elif scope["method"] not in ("GET", "HEAD"):
        status, body = 405, {"error": "use GET"}
    else:
        status, body = answer(node)
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content}
    )
