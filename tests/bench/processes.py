"""The processes of a run: pinned to their core, and measured by what the operating system says."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.catalogue import ROOT, Peer
from tests.ports import free_port

_CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE, SERVER_CORE = _CORES[0], _CORES[-1]
PINNED = len(_CORES) > 1
START_TIMEOUT = 30.0
SETTINGS = "tests.bench.peers.settings"
# Python's debugging aids are no part of what is measured.
_LEFT_OUT = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONWARNINGS")


class BenchError(Exception):
    """A run can't go on; the text says why."""


def pin(core: int) -> None:
    os.sched_setaffinity(0, {core})


def raise_file_limit(wanted: int) -> None:
    """Allow so many open files to this process and to those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{wanted} open files are needed and {hard} allowed: raise `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all its threads, in the kernel's nanoseconds."""
    # What clock_getcpuclockid(3) computes; /proc/PID/stat has the same sum in steps of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


@contextlib.contextmanager
def _started(
    command: list[str], core: int, environment: dict[str, str], **pipes: int
) -> Iterator[subprocess.Popen[str]]:
    inherited = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    inherited["DJANGO_SETTINGS_MODULE"] = SETTINGS
    with tempfile.TemporaryFile("w+") as log:
        # A child begins on the core of the thread that starts it.
        pin(core)
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=inherited | environment,
                text=True,
                stderr=log,
                **({"stdout": log} | pipes),
            )
        finally:
            pin(LOAD_CORE)
        try:
            yield process
        except BaseException as error:
            log.seek(0)
            error.add_note(f"{' '.join(command)} said:\n{log.read()[-3000:]}")
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        process.kill()  # how a server ends is not measured
        process.wait()


def _await_port(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"{process.args!r} does not listen")


class Server:
    """A peer's running server."""

    def __init__(self, peer: Peer, port: int, pid: int) -> None:
        self.peer = peer
        self.port = port
        self.pid = pid

    def processor_seconds(self) -> float:
        return processor_seconds(self.pid)

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"no resident size of process {self.pid}")

    def settle(self, quiet: float = 0.2, timeout: float = 60.0) -> None:
        """Return once the server does next to nothing."""
        deadline = time.monotonic() + timeout
        before = self.processor_seconds()
        while time.monotonic() < deadline:
            time.sleep(quiet)
            now = self.processor_seconds()
            if now - before < quiet * 0.05:
                return
            before = now
        raise BenchError(f"{self.peer.label} does not come to rest in {timeout} s")


@contextlib.contextmanager
def serving(peer: Peer, **more: str) -> Iterator[Server]:
    """Run a peer's server on its core, with `more` in its environment."""
    port = free_port()
    environment = {"PORT": str(port), "NODE_ENV": "production", **peer.environment, **more}
    with _started(peer.command(port), SERVER_CORE, environment) as process:
        _await_port(process, port)
        yield Server(peer, port, process.pid)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Run a Redis of our own beside the load, and give its address."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with _started(command, LOAD_CORE, {}) as process:
        _await_port(process, port)
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def logged_in() -> Iterator[tuple[str, str]]:
    """A database in a file with a user who is logged in, and the key of the session."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.sqlite3")
        environment = {"DATABASE": path, "DJANGO_SETTINGS_MODULE": SETTINGS}
        command = [sys.executable, "-m", "tests.bench.peers.login"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
        )
        if done.returncode:
            raise BenchError(f"nobody could log in: {done.stderr[-3000:]}")
        yield path, done.stdout.strip()


@contextlib.contextmanager
def emitter(peer: Peer, redis_url: str) -> Iterator[subprocess.Popen[str]]:
    """Run the peer's emitting process beside the load; it emits each line that it is sent."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {"REDIS_URL": redis_url, **peer.environment}
    with _started(peer.emitter(), LOAD_CORE, environment, **pipes) as process:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise BenchError(f"the emitter of {peer.label} did not start")
        yield process
