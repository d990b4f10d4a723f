"""Real servers as processes: daphne and uvicorn with one of the applications beside this file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    port: int
    pid: int
    kind: str
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def memory(self) -> int:
        """Resident bytes of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])


def command(kind: str, port: int, application: str) -> list[str]:
    if kind == "daphne":
        options = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", application]
    elif kind == "daphne-tls":
        pair = "privateKey=key.pem:certKey=certificate.pem"
        options = ["-m", "daphne", "-e", f"ssl:{port}:interface=127.0.0.1:{pair}", application]
    else:
        # uvicorn-wsproto: the part behind the dash is uvicorn's --ws.
        implementation = kind.partition("-")[2] or "auto"
        options = ["-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--log-level"]
        options += ["warning", "--loop", "asyncio", "--ws", implementation, application]
    return [sys.executable, *options]


@contextmanager
def serve(kind: str, folder: Path, **options: float) -> Iterator[Server]:
    """Run the echo server; options are those of `EngineServer`."""
    environment = {f"ENGINE_{key.upper()}": str(value) for key, value in options.items()}
    with run(kind, folder, "tests.conformance.echo:application", environment) as server:
        yield server


@contextmanager
def run(
    kind: str,
    folder: Path,
    application: str,
    environment: Mapping[str, str],
    cwd: Path = ROOT,
) -> Iterator[Server]:
    """Run an application under a server, with more environment variables than ours."""
    port = free_port()
    log_path = folder / f"{kind}-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command(kind, port, application),
            cwd=cwd,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(process, port, log_path)
        yield Server(port, process.pid, kind, log_path)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log_path.read_text()}")
