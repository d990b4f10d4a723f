"""An event on its way to sockets: encoded once, then carried as it is, to every process."""

import functools
import importlib
import time
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ..cluster.groups import Group, node_group
from ..conf import settings
from ..json import django_default
from ..protocol.packets import Packet, PacketType, Parser, Payload
from ..protocol.text import JSONParser
from ..schema.plain_values import plain
from . import unsendable
from .actors import Actor
from .rooms import MAX_LENGTH, node_of

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Emission:
    """An encoded event and its addressees.

    `to` are rooms and sids, None for the whole namespace; a socket in several of them gets one
    copy.
    """

    namespace: str
    to: tuple[str, ...] | None
    messages: tuple[Payload, ...]
    skip: frozenset[str] = frozenset()
    volatile: bool = False
    #: The page that caused it and is left out, too.
    actor: Actor | None = None
    #: Its name, for traces; the messages have it encoded.
    event: str = ""
    #: The context of the span in which it was emitted, as OpenTelemetry's propagators write it.
    trace: Mapping[str, str] | None = None
    #: The id of a durable emit, which also stands in its last argument.
    durable: str = ""
    #: The key whose newest value it has, among those of its name; None where all are wanted.
    retain: str | None = None

    @property
    def supersedes(self) -> Hashable | None:
        """What emissions have in common of which a client needs the newest alone; None for none."""
        if self.retain is None:
            return None
        return (self.namespace, self.to, self.event, self.retain)


@functools.cache
def _parser(name: str, json: str, max_attachments: int) -> Parser:
    if name == "json":
        return JSONParser(importlib.import_module(json), max_attachments, plain)
    try:
        from ..protocol.msgpack import MsgpackParser  # its library is an extra
    except ImportError as error:
        raise ImproperlyConfigured(
            'REALTIME["PARSER"] is "msgpack", which needs that library: pip install msgpack'
        ) from error
    return MsgpackParser(_msgpack_default)


def _msgpack_default(value: Any) -> Any:
    try:
        return plain(value)
    except TypeError:
        return django_default(value)


#: Asked for by every packet that is sent, so it is not looked up again until a setting changes.
_chosen: Parser | None = None


def parser(name: str | None = None) -> Parser:
    """The parser that the settings name, the same in every process of a site; or another one."""
    global _chosen
    if name is not None:
        return _parser(name, settings.JSON, settings.MAX_ATTACHMENTS)
    if _chosen is None:
        _chosen = _parser(settings.PARSER, settings.JSON, settings.MAX_ATTACHMENTS)
    return _chosen


def _choose_again(*, setting: str, **kwargs: Any) -> None:
    global _chosen
    if setting == "REALTIME":
        _chosen = None


setting_changed.connect(_choose_again, dispatch_uid="realtime.emissions")


#: What parsers raise for what they can't encode.
UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError)


def messages_of(packet: Packet) -> tuple[Payload, ...]:
    """A packet, encoded. Raises TypeError or ValueError that say which argument can't be sent."""
    try:
        return parser().encode(packet)
    except UNSENDABLE as error:
        raise refused(packet, error) from None


def encode_ack(namespace: str, id: int, args: list[Any]) -> tuple[Payload, ...]:
    """The same for the answer to a client's event."""
    try:
        return (_chosen or parser()).encode_ack(namespace, id, args)
    except UNSENDABLE as error:
        raise refused(Packet(PacketType.ACK, namespace, args, id), error) from None


def refused(packet: Packet, error: Exception) -> Exception:
    """The error to raise for a packet that could not be encoded, which says what is to be done."""
    return unsendable.explain(packet, error, parser().encode)


def encode(
    event: str,
    args: Collection[Any],
    *,
    namespace: str,
    to: tuple[str, ...] | None,
    skip: Collection[str] = (),
    volatile: bool = False,
    actor: Actor | None = None,
    retain: str | None = None,
) -> Emission:
    """An emission of an event. Raises TypeError or ValueError for what can't be sent."""
    if not isinstance(event, str):
        raise TypeError(f"an event's name must be a string, not {type(event).__name__}: {event!r}")
    if not namespace.startswith("/"):
        raise ValueError(f"a namespace must begin with '/': {namespace!r}")
    if retain is not None:
        _check_key(retain, volatile)
    if isinstance(skip, str):
        skip = (skip,)
    messages = messages_of(Packet(PacketType.EVENT, namespace, [event, *args]))
    return Emission(
        namespace=namespace,
        to=to,
        messages=messages,
        skip=frozenset(skip),
        volatile=volatile,
        actor=actor,
        event=event,
        retain=retain,
    )


def _check_key(key: Any, volatile: bool) -> None:
    if not isinstance(key, str):
        raise TypeError(f"retain= must be a string, not {type(key).__name__}: {key!r}")
    if not 0 < len(key) <= MAX_LENGTH:
        raise ValueError(f"retain= must have 1 to {MAX_LENGTH} characters, not {len(key)}")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"retain= must be valid Unicode: {key!r}") from None
    if volatile:
        raise ValueError(
            "an event can't be both volatile and retained; with retain=, a slow client gets only"
            " the newest value"
        )


def addressees(emission: Emission, node_id: str) -> Iterable[Group]:
    """The groups of the layer that an emission is for, beside the node's own."""
    if emission.to is None:
        return [(emission.namespace, None)]
    return dict.fromkeys(
        (emission.namespace, room) if node is None else node_group(node)
        for room in emission.to
        if (node := node_of(room)) != node_id
    )


def to_body(emission: Emission) -> Body:
    """An emission as the body of a message."""
    actor = emission.actor
    return {
        "namespace": emission.namespace,
        "to": None if emission.to is None else list(emission.to),
        "skip": list(emission.skip),
        "volatile": emission.volatile,
        "actor": None if actor is None else [list(actor.sids), actor.user],
        "messages": list(emission.messages),
        # For traces; the messages have it as it is, a lone surrogate escaped.
        "event": emission.event.encode(errors="replace").decode(),
        "trace": emission.trace,
        "retain": emission.retain,
        "at": time.time(),
    }


def from_body(body: Body) -> Emission:
    """The emission of a message. Raises KeyError or TypeError for what is none."""
    to = body["to"]
    actor = body.get("actor")  # which an older node does not send
    return Emission(
        namespace=body["namespace"],
        to=None if to is None else tuple(to),
        messages=tuple(body["messages"]),
        skip=frozenset(body["skip"]),
        volatile=body["volatile"],
        actor=None if actor is None else Actor(sids=frozenset(actor[0]), user=actor[1]),
        event=body["event"],
        trace=body["trace"],
        retain=body.get("retain"),  # older nodes say nothing of it
    )
