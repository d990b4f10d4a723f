"""Prints a line once something listens on a port: announce.py 8000 "The chat: ..."

Whoever reads the line may connect at once. It gives up when the process that started it ends.
"""

import os
import socket
import sys
import time


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(port: str, line: str) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        if is_open(int(port)):
            print(line, flush=True)
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
