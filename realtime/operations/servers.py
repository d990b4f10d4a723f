"""Servers: `@server_event("cache:clear")` declares what `call_servers` runs in each of them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from ..aio.calls import run
from ..cluster.requests import Answer
from ..exceptions import RealtimeError
from ..logs import shortened
from ..node.packing import pack, pack_event, unpack
from ..node.threads import lanes
from .arguments import checked_text, node_timeout
from .asking import Body, Inquiry, Operation, twins
from .reports import ServerAnswers

logger = logging.getLogger("realtime.cluster")

Function = TypeVar("Function", bound=Callable[..., Any])

_functions: dict[str, Callable[..., Any]] = {}


def server_event(name: str) -> Callable[[Function], Function]:
    """Declare a function that `call_servers(name, *args)` runs in every process with a server.

    Put it into the `consumers.py` of an app. It is `async def`, or a plain `def` that runs in a
    worker thread and may use the ORM. It gets the arguments of the call, and its return value is
    this node's answer. Raise RealtimeError to answer with a failure and its message.
    """
    if not isinstance(name, str):
        raise TypeError(f'@server_event needs the event\'s name: @server_event("{_name(name)}")')

    def register(function: Function) -> Function:
        known = _functions.get(name)
        if known is not None and not _is_reloaded(known, function):
            raise ValueError(
                f"the server event {name!r} already has a function: {known.__qualname__}"
            )
        _functions[name] = function
        return function

    return register


def _name(function: Any) -> str:
    return getattr(function, "__name__", "name")


def _is_reloaded(known: Callable[..., Any], function: Callable[..., Any]) -> bool:
    """Whether it is the same function again, from a module that was reloaded."""
    same = (known.__module__, known.__qualname__)
    return same == (function.__module__, function.__qualname__)


def _call_servers(event: str, *args: Any, timeout: float | None = None) -> Operation[ServerAnswers]:
    """Run the function of a `@server_event` in every process with a server, this one included.

    Arguments and answers can be anything that JSON can hold, and bytes. `timeout` is how many
    seconds the functions have, by default `REALTIME["REQUEST_TIMEOUT"]`.
    """
    body = {"packed": pack_event(checked_text("event", event), args)}

    async def ask(inquiry: Inquiry) -> ServerAnswers:
        replies = await inquiry.replies("server.event", body)
        return ServerAnswers(
            answers={node: unpack(packed)[0] for node, packed in replies.answers.items()},
            failures=replies.failures,
            missing=replies.missing,
        )

    return Operation(ask=ask, timeout=node_timeout(timeout))


async def _answer_event(body: Body) -> Any:
    # In a task of its own: a lane is the context of a task, and ours may be a handler's.
    return await asyncio.create_task(_run(*unpack(body["packed"])))


async def _run(name: str, *args: Any) -> Any:
    function = _functions.get(name)
    if function is None:
        raise RealtimeError(
            f"no function is declared with @server_event({name!r}) there: the node runs another"
            " version of the app, or did not import the consumers.py"
        )
    lane = lanes().acquire()
    try:
        return pack([await run(function, *args)])
    except RealtimeError:
        raise
    except Exception as error:  # a bug of the function is its node's failure, and in its log
        logger.exception("the function of the server event %s raised", shortened(name))
        raise RealtimeError(f"{type(error).__name__}: {error}") from error
    finally:
        lanes().release(lane)


call_servers, acall_servers = twins(_call_servers)


def answers() -> dict[str, Answer]:
    """What a node answers with its server events."""
    return {"server.event": _answer_event}
