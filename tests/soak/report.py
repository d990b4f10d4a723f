"""What a run came to, in figures, and the evidence where it was not well."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.ledger import Client
from tests.soak.run import Outcome
from tests.soak.verdict import Violation

SHOWN = 20
#: Seconds around a violation of which the evidence tells.
AROUND = 15.0


def table(outcome: Outcome) -> str:
    rows = list(_rows(outcome))
    width = max(len(name) for name, _ in rows)
    lines = [f"| {name:{width}} | {value:>12} |" for name, value in rows]
    head = f"| {'figure':{width}} | {'':>12} |\n| {'-' * width} | {'-' * 11}: |"
    return "\n".join([head, *lines])


def _rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    clients, options = outcome.clients, outcome.options
    uncertain = sum(not emission.is_certain for emission in outcome.emissions)
    yield "clients", str(options.clients)
    yield "rooms", str(options.rooms)
    yield "processes", str(len(options.servers))
    yield "seconds", f"{outcome.took:.0f}"
    yield "emits", _count(len(outcome.emissions))
    yield "of which nobody knows how they went", _count(uncertain)
    yield "deliveries", _count(sum(client.deliveries for client in clients))
    yield "recoveries", _count(sum(client.recoveries for client in clients))
    yield "clients that began anew", _count(sum(client.anew for client in clients))
    for why, count in sorted(outcome.refusals.items()):
        yield f"refused: {why}", _count(count)
    yield "losses reported to connected clients", _count(sum(c.reports for c in clients))
    for kind, count in sorted(outcome.faults.items()):
        yield f"fault: {kind}", _count(count)
    yield "logs with a traceback", str(len(outcome.mishaps))
    kinds = Counter(violation.kind for violation in outcome.violations)
    for kind, count in sorted(kinds.items()):
        yield f"VIOLATION: {kind}", _count(count)
    yield "violations", _count(len(outcome.violations))


def _count(number: int) -> str:
    return f"{number:,}"


def evidence(outcome: Outcome) -> Iterator[str]:
    """Of the first violations of each kind and client, what happened around them."""
    clients = {client.name: client for client in outcome.clients}
    told: set[tuple[str, str]] = set()
    for violation in outcome.violations:
        emitter, number = violation.name
        if len(told) >= SHOWN:
            yield "and more"
            break
        if (violation.client, violation.kind) in told:
            continue
        told.add((violation.client, violation.kind))
        yield f"{violation.client}: {violation.kind}: {emitter}:{number} at {violation.at:.3f}"
        yield f"    {violation.detail}"
        yield from _around(outcome, clients[violation.client], violation)


def _around(outcome: Outcome, client: Client, violation: Violation) -> Iterator[str]:
    happened = [*client.history, *((at, f"FAULT {what}") for at, what in outcome.history)]
    # Connections are cut all the time, mostly those of others.
    dull = ("FAULT cut", "FAULT hang", "FAULT strand", "FAULT freeze", "connect_error")
    for at, what in sorted(happened):
        if abs(at - violation.at) < AROUND and not what.startswith(dull):
            yield f"    {at - violation.at:+.3f} s {what}"
