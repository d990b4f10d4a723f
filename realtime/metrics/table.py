"""What each metric is made of, and says; docs/metrics.md has the same for people. Pure data."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Kinds:
    """A counter for each name in `metrics.counts` that begins with a prefix."""

    prefix: str
    label: str
    help: str
    #: Those that stand at 0 from the start, so that the first one is an increase.
    known: tuple[str, ...]


#: Metric -> the key of `metrics.snapshot()`, and what it says.
GAUGES = {
    "realtime_connections_paused": (
        "connections_paused",
        "Connections that are not read from, because an inbox of theirs is full",
    ),
    "realtime_rooms": ("rooms", "Rooms that have members here"),
    "realtime_namespaces": ("namespaces", "Namespaces, by their full names, with sockets here"),
    "realtime_outbox_messages": ("outbox_messages", "Messages waiting for their clients"),
    "realtime_outbox_messages_max": ("outbox_messages_max", "The most for any one connection"),
    "realtime_outbox_bytes": (
        "outbox_bytes",
        "Bytes waiting for their clients, the web server's buffers included",
    ),
    "realtime_outbox_bytes_max": ("outbox_bytes_max", "The most for any one connection"),
    "realtime_inbox_events": ("inbox_events", "Events waiting for their handlers"),
    "realtime_inbox_events_max": ("inbox_events_max", "The most for any one socket"),
    "realtime_recovery_sessions": (
        "recovery_sessions",
        "Clients that may come back to this process; with Redis, sessions of its sockets",
    ),
    "realtime_recovery_events": ("recovery_events", "Events and values kept of rooms here"),
    "realtime_recovery_bytes": ("recovery_bytes", "Bytes that these take"),
    "realtime_handlers_running": ("handlers_running", "Handlers running now"),
    "realtime_handler_lanes": ("handlers_lanes", "Threads for handlers: REALTIME THREADS"),
    "realtime_healthy": ("healthy", "1 while this process hears itself through the channel layer"),
    "realtime_draining": ("draining", "1 once this process is to get no new clients"),
    "realtime_nodes": ("nodes", "Processes with a server that this one knows of, itself included"),
}
#: Metric -> the name in `metrics.counts`, and what it says.
COUNTERS = {
    "realtime_events_received": ("events.in", "Events accepted from clients"),
    "realtime_events_unknown": ("events.unknown", "Events of clients that have no handler"),
    "realtime_events_sent": ("events.out", "Events handed to connections, one for each recipient"),
    "realtime_emits": ("emits", "Emits by this process, however many recipients each had"),
    "realtime_emits_failed": ("emits.failed", "Emits that failed after a transaction committed"),
    "realtime_emits_silenced": (
        "emits.silenced",
        "Emits that failed with fail_silently=True, or EMIT_FAIL_SILENTLY",
    ),
    "realtime_recovered_events": ("recovered.events", "Events sent to clients that came back"),
    "realtime_lost_messages": ("lost", "Messages from other processes that never arrived here"),
}
KINDS = {
    "realtime_recoveries": Kinds(
        prefix="recoveries.",
        label="outcome",
        help="Clients that came back to a socket",
        known=("recovered", "refused"),
    ),
    "realtime_connects": Kinds(
        prefix="connects.",
        label="outcome",
        help="Clients that asked for a namespace",
        known=("accepted", "refused"),
    ),
    "realtime_disconnects": Kinds(
        prefix="left.",
        label="reason",
        help="Sockets that left their namespace, by Socket.IO's reason",
        known=(
            "client namespace disconnect",
            "forced close",
            "ping timeout",
            "server namespace disconnect",
            "server shutting down",
            "transport close",
            "transport error",
        ),
    ),
    "realtime_drops": Kinds(
        prefix="dropped.",
        label="kind",
        help="Events that were dropped, for each recipient",
        known=("superseded", "volatile"),
    ),
    "realtime_durable_emits": Kinds(
        prefix="durable.",
        label="outcome",
        help="Durable emits: sent, of which late, and attempts that failed, of which the last ones",
        known=("dead", "failed", "late", "sent"),
    ),
    "realtime_repeats": Kinds(
        prefix="repeats.",
        label="answer",
        help="Events that clients sent again, by what they were answered with",
        known=("kept", "lost", "waited"),
    ),
    "realtime_refusals": Kinds(
        prefix="refused.",
        label="kind",
        help="Requests, connections, events and joins that a limit refused",
        known=(
            "connect_timeout",
            "connection_rate",
            "data",
            "event_rate",
            "namespace",
            "namespaces",
            "origin",
            "payload",
            "rooms",
            "transport",
            "version",
        ),
    ),
    "realtime_closes": Kinds(
        prefix="closed.",
        label="kind",
        help="Connections that this server closed, at a limit or because rights changed",
        known=("inbox", "outbox", "posts", "protocol", "revoked"),
    ),
    "realtime_logins_ended": Kinds(
        prefix="revoked.",
        label="cause",
        help="Connections that were closed because a login ended, by how that became known",
        known=("log-out", "look", "session", "user"),
    ),
    "realtime_pauses": Kinds(
        prefix="paused.",
        label="kind",
        help="Times that a client was not read from for a while",
        known=("inbox", "packet_rate"),
    ),
    "realtime_layer_faults": Kinds(
        prefix="layer.",
        label="kind",
        help="Trouble with the channel layer",
        known=("deaf", "errors", "failed", "malformed", "other_site", "other_version", "refused"),
    ),
    "realtime_node_faults": Kinds(
        prefix="nodes.",
        label="kind",
        help="Nodes that vanished, and times that this one was suspended",
        known=("lost", "suspended"),
    ),
    "realtime_relay": Kinds(
        prefix="relay.",
        label="kind",
        help="Requests that reached another process than their connection's",
        known=("elsewhere", "failed", "full", "gaps", "requests", "served"),
    ),
}
#: Counters without a metric of their own that stand at 0 from the start.
OTHERS = (
    "history.events",
    "history.failed",
    "presence.lost",
    "recovery.gaps",
    "requests.late",
    "requests.stale",
    "responses.unsent",
    "revocations.failed",
    "revocations.missed",
    "revocations.unlooked",
    "namespaces.revoked",
    "rooms.revoked",
    "rules.failed",
)
