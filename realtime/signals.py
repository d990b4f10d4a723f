"""Django signals of realtime. Receivers may be plain or async functions.

They are sent with `asend_robust` in the server's event loop: if a receiver raises an error, it is
logged and has no other effect. Plain receivers run in a worker thread and may use the ORM.

"Sent by the consumer class" means that it is the sender. In a namespace of python-socketio's API
the sender is the class of the namespace or, if it has functions only, of the server, and `user` is
None.
"""

from django.dispatch import Signal

#: A socket joined its namespace. Sent by the consumer class; `sid`, `namespace`, `user`, `scope`.
socket_connected = Signal()

#: A socket left its namespace. Sent by the consumer class; `sid`, `namespace`, `user`, `scope`,
#: and `reason`, one of Socket.IO's names such as "transport close".
socket_disconnected = Signal()

#: A handler returned. Sent by the consumer class; `sid`, `namespace`, `user`, `event`, `args`,
#: `result`, and `seconds`, the time that the handler took.
event_handled = Signal()

#: A handler raised an error, or its arguments were invalid. Sent by the consumer class; `sid`,
#: `namespace`, `user`, `event`, `args`, `exception`.
event_failed = Signal()

#: A client reached a limit: it was refused, disconnected or slowed down, or a message for it was
#: dropped. The sender is None; `kind` is the name of the counter in `realtime.metrics.counts`, and
#: `address` the client's IP address or None.
limit_hit = Signal()

#: The login of a socket has ended, and its connection is closed because of it. The sender is None;
#: `sid`, `namespace`, and `cause`: "log-out", "session" (deleted, or replaced by another login),
#: "user" (password changed, deactivated or deleted) or "look" (found by a check of the database).
login_ended = Signal()

#: A user joined a room with presence. Sent in only one process of the site. The sender is None;
#: `namespace`, `room`, and `user`, which is a `realtime.operations.reports.UserInfo`.
presence_joined = Signal()

#: A user left a room with presence, and the grace period is over. Sent like `presence_joined`.
presence_left = Signal()

#: Messages from other processes did not reach this one. The sender is None; `count` is how many,
#: and `rooms` a list of (namespace, room) whose clients in this process missed events. The room is
#: None for events to a whole namespace, and both are None for events to single sockets.
messages_lost = Signal()
