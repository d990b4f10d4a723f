"""Calling the handler of an event: first whether the client may, and with valid arguments."""

from collections.abc import Awaitable
from typing import Any

from ..aio.calls import run_for_truth
from ..events import Handler
from ..exceptions import PermissionRefused
from ..server.acks import Ack


def call(consumer: Any, name: Any, handler: Handler, args: list[Any], ack: Ack) -> Awaitable[Any]:
    """Call a handler. Raises EventError for what it can't be called with."""
    count = len(args)
    if count < handler.least or count > handler.most:
        raise handler.refusal(count)
    if handler.is_plain and not consumer._event_permissions:
        plainly: Awaitable[Any] = handler.call(consumer, *args)
        return plainly
    schema = handler.schema
    is_asked = consumer._event_permissions or handler.permissions
    if is_asked or (schema is not None and schema.blocking):
        return _ask_and_call(consumer, name, handler, args, ack)
    # Nobody has to be waited for, so no coroutine has to stand between.
    if schema is not None:
        args = schema.load(args)
    return _called(consumer, handler, args, ack)


async def _ask_and_call(
    consumer: Any, name: Any, handler: Handler, args: list[Any], ack: Ack
) -> Any:
    for permission in (*consumer._event_permissions, *handler.permissions):
        if not await run_for_truth(permission.may_handle, consumer, name, args):
            raise PermissionRefused(permission.message, code=permission.code)
    if (schema := handler.schema) is not None:
        args = await schema.aload(args, consumer) if schema.blocking else schema.load(args)
    return await _called(consumer, handler, args, ack)


def _called(consumer: Any, handler: Handler, args: list[Any], ack: Ack) -> Awaitable[Any]:
    called: Awaitable[Any] = (
        handler.call(consumer, *args, ack=ack)
        if handler.takes_ack
        else handler.call(consumer, *args)
    )
    return called
