"""Ports for the servers of the tests, of which many run at a time in several processes."""

import random
import socket

#: Below those that a system gives to outgoing connections (RFC 6335, and 32768 on Linux): a client
#: takes none of them while its server starts again. Browsers refuse 10080.
PORTS = range(11_000, 32_000)
#: UDP sockets at the numbers that this process has given away: what keeps other processes of tests
#: off a port until its server listens, and ends with this process however it ends.
_claims: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that is free, and that no other process of any test run is given."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                # As servers do: a port whose last connections are still closing counts as free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port
