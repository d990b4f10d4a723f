"""Says in one line why a port can't be listened on, and which one can: port.py 8000."""

import socket
import sys


def refusal(port: str) -> str:
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f"PORT={port} is not a port: choose one from 1 to 65535"
    try:
        listen(int(port))
    except OSError as error:
        return f"Port {port}: {error.strerror}. Choose another: make demo PORT={listen(0)}"
    return ""


def listen(port: int) -> int:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        probe.listen()
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(refusal(sys.argv[1]) or 0)
