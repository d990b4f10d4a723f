"""`make demo` prints its address once a browser can open it, and not before."""

import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .ports import free_port

ANNOUNCE = Path(__file__).parent.parent / ".ci" / "announce.py"


def test_the_line_is_printed_once_something_listens() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        command = [sys.executable, ANNOUNCE, str(server.getsockname()[1]), "It is here"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            server.listen()
            output, _ = process.communicate(timeout=60)
    assert output == "It is here\n"


def test_nothing_is_printed_where_the_server_does_not_start() -> None:
    line = shlex.join([sys.executable, str(ANNOUNCE), str(free_port()), "It is here"])
    # Whoever started it ends, and with it the wait: else this would not return.
    ended = subprocess.run(
        ["sh", "-c", f"{line} & sleep 1"], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == ""
