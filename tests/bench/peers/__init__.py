"""The servers under measurement, and for each a process that emits through Redis.

All do the same: a socket joins the room `lobby`; `fan` emits its payload to the room as `tick`;
`echo` answers with its payload; `left` answers how many sockets have been seen to leave. Those of
the benchmark of clusters take their rooms from the client, who names them in its auth, and `fan`'s
from its payload, which names the lobby everywhere else.
"""

ROOM = "lobby"
#: Pings would be counted as deliveries: none falls into a run.
NO_PINGS = 3600.0
