"""Emits each line that comes in to the room that it names, from a process without a server.

python -m tests.bench.peers.emitter socketio|channels|realtime
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

Emit = Callable[[Any], None]


def socketio() -> Emit:
    from socketio import RedisManager

    manager = RedisManager(os.environ["REDIS_URL"], write_only=True)
    return lambda payload: manager.emit("tick", payload, room=payload["room"])


def channels() -> Emit:
    from asgiref.sync import async_to_sync
    from channels.layers import get_channel_layer

    send = async_to_sync(get_channel_layer().group_send)
    return lambda payload: send(payload["room"], {"type": "lobby.tick", "payload": payload})


def realtime() -> Emit:
    import django

    django.setup(set_prefix=False)
    from realtime import emit

    return lambda payload: emit("tick", payload, to=payload["room"])


if __name__ == "__main__":
    emit = {"socketio": socketio, "channels": channels, "realtime": realtime}[sys.argv[1]]()
    print("ready", flush=True)
    for line in sys.stdin:
        emit(json.loads(line))
