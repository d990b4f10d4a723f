"""Durable emits as rows, and rows as emissions again."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from ..conf import settings
from ..node import emissions, rooms
from ..node.emissions import Emission
from ..protocol.packets import Payload
from .models import DurableEmit


def write(emission: Emission, using: str) -> DurableEmit:
    """Write an emission to a database. It is this process's to send as long as the lease runs."""
    if using not in settings.DURABLE_DATABASES:
        raise ImproperlyConfigured(
            f"after a crash, nothing would send the durable emits in the database {using!r}: add"
            ' its alias to REALTIME["DURABLE_DATABASES"]'
        )
    if not rooms.is_namespace(emission.namespace):
        raise ValueError(f"no client can be in the namespace {emission.namespace!r}")
    return DurableEmit.objects.using(using).create(
        key=emission.durable,
        event=_printable(emission.event)[:200],
        namespace=emission.namespace,
        to=json.dumps(emission.to),
        parser=settings.PARSER,
        body=json.dumps(emissions.to_body(emission), default=_to_json),
        due_at=timezone.now() + timedelta(seconds=settings.DURABLE_LEASE),
    )


def read(row: DurableEmit) -> Emission:
    """The emission of a row, in the encoding that clients speak now."""
    body = json.loads(row.body)
    body["messages"] = [_from_json(payload) for payload in body["messages"]]
    emission = replace(emissions.from_body(body), durable=str(row.key))
    if row.parser == settings.PARSER:
        return emission
    # It changed while the row was waiting.
    decoder = emissions.parser(row.parser).decoder(is_own=True)
    *_, packet = map(decoder.feed, emission.messages)
    if packet is None:
        raise ValueError("the messages of this row are no whole event")
    return replace(emission, messages=emissions.messages_of(packet))


def rooms_of(to: str) -> tuple[str, ...] | None:
    """The rooms and sids in the column `to`; None for the whole namespace."""
    names = json.loads(to)
    return None if names is None else tuple(names)


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _to_json(payload: Any) -> Any:
    """What JSON does not hold: of an emission, the bytes in its messages."""
    if not isinstance(payload, bytes | bytearray):
        raise TypeError(f"an emission holds no {type(payload).__name__}")
    return {"base64": b64encode(payload).decode("ascii")}


def _from_json(value: Any) -> Payload:
    return b64decode(value["base64"]) if isinstance(value, dict) else str(value)
