"""A client's connects to namespaces: how many it may ask for, whose turn it is, and by when.

The applications of several namespaces may decide about one client at the same time. What a client
may ask for is bounded in number and in rate, and a client that gets into none is not kept.
"""

import logging
from collections.abc import Callable

from ..conf import settings
from ..engine.limits import TokenBucket
from ..engine.wheel import TimerWheel
from ..logs import connection_facts
from ..metrics.counters import report
from ..node.sockets import Client, Socket

logger = logging.getLogger("realtime.server")

#: Applications that may decide about one client's connects at a time. The others wait for them,
#: not for the connects of other clients: these take turns at the database and the channel layer.
AT_A_TIME = 10


def may_connect(client: Client, now: float) -> bool:
    """Whether the client may ask for one more namespace, at `now` of the node's wheel."""
    # A socket that left counts until its application has ended, or leaving would be free.
    if client.running >= settings.MAX_NAMESPACES:
        return False
    rate = settings.NAMESPACE_RATE
    if rate is None:
        return True
    if client.connects is None:
        client.connects = TokenBucket(rate, now)
    return client.connects.take(now)


def in_turn(client: Client, begin: Callable[[], None]) -> None:
    """Call `begin` now, or when enough of the client's other connects are answered."""
    client.running += 1
    if client.connecting < AT_A_TIME:
        begin()
    else:
        client.queue.append(begin)


def began(socket: Socket) -> None:
    """An application decides about the socket from now on."""
    socket.deciding = True
    socket.client.connecting += 1


def decided(socket: Socket) -> None:
    """The client's connect is answered: it is the next one's turn."""
    client = socket.client
    if not socket.deciding:
        return
    socket.deciding = False
    client.connecting -= 1
    while client.queue and client.connecting < AT_A_TIME:
        client.queue.popleft()()


def ended(socket: Socket) -> None:
    """The application of the socket has ended, or never began because the client had left."""
    decided(socket)
    socket.client.running -= 1
    socket.ended()


def expect_connect(client: Client, wheel: TimerWheel) -> None:
    """Close the connection if its client is in no namespace within CONNECT_TIMEOUT."""
    if client.timer is not None:
        client.timer.cancel()
    client.timer = wheel.after(settings.CONNECT_TIMEOUT, _never_connected, client)


def _never_connected(client: Client) -> None:
    connection = client.connection
    report("refused.connect_timeout", address=connection.address)
    logger.info(
        "closed a connection that joined no namespace in time",
        extra=connection_facts(connection),
    )
    connection.close("forced close")
