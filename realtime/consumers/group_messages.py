"""Messages that come to a consumer over the channel layer, from a group or to `channel_name`."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer

from .. import signals
from ..aio.calls import run
from ..aio.tasks import is_being_cancelled
from ..logs import facts, failed, shortened
from ..middleware import nobody_acts
from ..node.threads import lanes
from ..server.handling import announce

logger = logging.getLogger("realtime.consumers")


async def handle(consumer: Any, message: dict[str, Any], reserved: frozenset[str]) -> None:
    """Call the method for a message; no method has one of the `reserved` names."""
    nobody_acts()
    lane = lanes().acquire()
    try:
        await run(method_for(consumer, message, reserved), message)
    except StopConsumer:
        raise
    except (Exception, asyncio.CancelledError) as error:
        # As with events: a bug costs its message, never the connection.
        if is_being_cancelled():
            raise
        about = facts(sid=consumer.sid, namespace=consumer.namespace, user=consumer.user)
        name = shortened(message.get("type"))
        failed(logger, "the group message %s failed, for %s", name, consumer.sid, extra=about)
        event: dict[str, Any] = {
            "event": message.get("type"),
            "args": [message],
            "exception": error,
        }
        await announce(consumer, signals.event_failed, **event)
    finally:
        lanes().release(lane)


def method_for(
    consumer: Any, message: dict[str, Any], reserved: frozenset[str]
) -> Callable[[Any], Any]:
    """The method for a message's type: "order.paid" is for order_paid, as in Channels.

    A type may come from a client's text, so it reaches neither the consumer's own methods nor
    those for events and rooms, whose arguments would go unchecked.
    """
    name = get_handler_name(message)
    cls = type(consumer)
    method: Any = None if name in reserved else getattr(cls, name, None)
    handlers = [handler.function for handler in cls.handlers.values()]
    if method is None or method in (*handlers, *(rule.function for rule in cls.room_rules)):
        raise ValueError(
            f"{cls.__name__} has no method {name}(self, message) for group messages of the type"
            f" {message['type']!r}. Methods of the consumer itself, and those with @event or @room,"
            " do not count"
        )
    found: Callable[[Any], Any] = getattr(consumer, name)
    return found
