"""Real processes to test against: the site under a web server, Redis, a WSGI and a Celery worker.

Each has a log file, is waited for until it answers, and is stopped by its own id.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.certificates import certificate
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 60
ENDS_WITHIN = 90
POLL_INTERVAL = 0.02
OPTIONS = {
    "daphne": ["-b", "127.0.0.1"],
    # Its own loop, although uvloop is there: tests/live/test_deploy.py runs that.
    "uvicorn": ["--host=127.0.0.1", "--log-level=warning", "--loop=asyncio"],
}


class Process:
    """One process with its log. It is up once it logs `ready`; by default once its port is open."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        ready: str | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.port = port
        self.log = folder / f"{name}.log"
        self._command = command
        self._environment = os.environ | (environment or {})
        self._ready = ready
        self._cwd = cwd
        self._checked = 0
        self._started_at = 0
        self._ending = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start without waiting, so that several can start together."""
        self._ending = False
        with self.log.open("ab") as log:
            self._started_at = log.tell()
            self._process = subprocess.Popen(
                self._command, cwd=self._cwd, env=self._environment, stdout=log, stderr=log
            )

    def wait(self) -> None:
        """Wait until the process answers."""
        process = self._process
        assert process is not None
        eventually(
            lambda: process.poll() is not None or self._answers(),
            lambda: f"{self.name} does not answer:\n{self.log.read_text()}",
        )
        assert process.poll() is None, f"{self.name} ended:\n{self.log.read_text()}"

    def _answers(self) -> bool:
        if self._ready is not None:
            return self._ready.encode() in self.log.read_bytes()[self._started_at :]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port or 0)) == 0

    def terminate(self) -> None:
        """Ask it to end without waiting, so that several can end together."""
        # A second signal would end it at once.
        if self._process is not None and not self._ending:
            self._ending = True
            self._process.terminate()

    def stop(self) -> None:
        self.terminate()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end:\n{self.log.read_text()}") from None

    def kill(self) -> None:
        """End the process as a crash or the kernel does: with no time for a goodbye."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait()

    def pause(self) -> None:
        """Let the process hang: its port is open, and it answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def news(self) -> str:
        """What was logged since the last call."""
        if not self.log.exists():  # it was never started
            return ""
        with self.log.open("rb") as log:
            log.seek(self._checked)
            news = log.read()
        self._checked += len(news)
        return news.decode()


class Server(Process):
    """The site under daphne or uvicorn."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        number: int,
        environment: Mapping[str, str],
        options: Sequence[str] = (),
    ) -> None:
        port = free_port()
        command = [sys.executable, "-m", kind, *OPTIONS[kind], "--port", str(port), *options]
        super().__init__(
            f"{kind}-{number}",
            [*command, "tests.site.asgi:application"],
            folder,
            port=port,
            environment=site_environment(environment),
        )
        self.kind = kind
        self.url = f"http://127.0.0.1:{port}"


class WSGIWorker(Process):
    """The site's pages under the standard library's WSGI server."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        command = [sys.executable, "-m", "tests.site.wsgi", str(port)]
        super().__init__(
            "wsgi", command, folder, port=port, environment=site_environment(environment)
        )
        self.url = f"http://127.0.0.1:{port}"


class CeleryWorker(Process):
    """A Celery worker of the site, with a queue of its own, named like its pool."""

    def __init__(self, pool: str, folder: Path, environment: Mapping[str, str]) -> None:
        options = ["--pool", pool, "--queues", pool, "--concurrency", "1", "--loglevel", "info"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        super().__init__(
            f"celery-{pool}",
            [sys.executable, "-m", "celery", "-A", "tests.site.celery", "worker", *options, *quiet],
            folder,
            environment=site_environment(environment),
            ready=" ready.",
        )


class Redis(Process):
    """A redis-server, or another `program`.

    After a restart it has forgotten all, unless it `keeps`.
    """

    def __init__(
        self, folder: Path, *more: str, keeps: bool = False, program: str | None = None
    ) -> None:
        program = program or shutil.which("redis-server")
        assert program, "redis-server is not installed: make test installs it, WITHOUT=redis omits"
        port = free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        options += ["--appendonly", "yes" if keeps else "no", "--appendfsync", "always"]
        command = [program, *options, "--dir", str(folder), *more]
        super().__init__("redis", command, folder, port=port)
        self.url = f"redis://127.0.0.1:{port}/0"


class TLSRedis(Redis):
    """It hears nothing but TLS, with a certificate of its own."""

    def __init__(self, folder: Path, *, keeps: bool = False) -> None:
        certificate_path, key_path = certificate(folder)
        files = ["--tls-cert-file", str(certificate_path), "--tls-key-file", str(key_path)]
        super().__init__(folder, *files, "--tls-auth-clients", "no", keeps=keeps)
        # The later of two options of one name has the say.
        self._command += ["--port", "0", "--tls-port", str(self.port)]
        self.url = f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={certificate_path}"


class Sentinel(Process):
    """Watches a Redis, which it calls "live"; one is enough for it to be found."""

    def __init__(self, folder: Path, watched: Redis) -> None:
        program = shutil.which("redis-server")
        assert program
        port = free_port()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor live 127.0.0.1 {watched.port} 1\n"
            "sentinel down-after-milliseconds live 1000\n"
            "sentinel failover-timeout live 3000\n"
        )
        super().__init__("sentinel", [program, str(settings), "--sentinel"], folder, port=port)
        self.url = f"sentinel://127.0.0.1:{port}"


def site_environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "tests.site.settings", **more}


def manage(
    *arguments: str, environment: Mapping[str, str], typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a management command of the site in a process of its own; `typed` is its input."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | site_environment(environment),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def eventually(condition: Callable[[], Any], complaint: Callable[[], str]) -> None:
    """Wait until the condition holds; for what other processes do, which sends no event here."""
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(POLL_INTERVAL)
