"""Django signals of realtime. Receivers may be plain or async functions.

They are sent with `asend_robust` from the server's event loop: a receiver that raises is logged and
changes nothing. Plain receivers run in a worker thread and may use the ORM.
"""

from django.dispatch import Signal

#: A socket joined its namespace. Sent by the consumer class; `sid`, `namespace`, `user`, `scope`.
socket_connected = Signal()

#: A socket left its namespace. Sent by the consumer class; `sid`, `namespace`, `user`, `scope`,
#: and `reason`, one of Socket.IO's names such as "transport close".
socket_disconnected = Signal()

#: A handler returned. Sent by the consumer class; `sid`, `namespace`, `user`, `event`, `args`,
#: `result`, and `seconds` that it took.
event_handled = Signal()

#: A handler raised, or its arguments did not fit. Sent by the consumer class; `sid`, `namespace`,
#: `user`, `event`, `args`, `exception`.
event_failed = Signal()

#: A client met one of our limits: it was refused, cut off or slowed down, or something for it was
#: dropped. The sender is None; `kind` is the counter's name in `realtime.metrics.counts`, `address`
#: the client's IP address or None.
limit_hit = Signal()

#: The login of a socket has ended, so that its connection is closed. The sender is None; `sid`,
#: `namespace`, and `cause`: "log-out", "session" (deleted, or replaced by another log-in), "user"
#: (password changed, deactivated or deleted) or "look", what a look at the database found.
login_ended = Signal()

#: A user came to a room with presence; sent once for the whole site, in one process. The sender is
#: None; `namespace`, `room`, and `user`, a UserInfo of operations/reports.py.
presence_joined = Signal()

#: A user left a room with presence, and the grace period is over; sent as `presence_joined` is.
presence_left = Signal()

#: Messages of other processes did not reach this one. The sender is None; `count` is how many, and
#: `rooms` a list of (namespace, room) whose clients here have missed events: (namespace, None) for
#: an event to a whole namespace, (None, None) for events to single sockets.
messages_lost = Signal()
