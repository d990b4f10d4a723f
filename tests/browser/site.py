"""The demo site as processes of its own: a server, and management commands beside it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 60
ENDS_WITHIN = 30


class Site:
    """The site on a database, media folder and port of its own, under one of the servers."""

    def __init__(self, server: str, folder: Path, **environment: str) -> None:
        self.server = server
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{server}-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = os.environ | {
            "CHAT_DATABASE": str(folder / "db.sqlite3"),
            "CHAT_MEDIA": str(folder / "media"),
            "DJANGO_SECRET_KEY": "of the browser tests",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            **environment,
        }

    def manage(self, *arguments: str) -> str:
        """Runs a management command and returns what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not answers(self.port):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def command(self) -> list[str]:
        application = "project.asgi:application"
        address = {
            "daphne": ["-b", "127.0.0.1", "-p", str(self.port)],
            "uvicorn": ["--host", "127.0.0.1", "--port", str(self.port), "--loop", "asyncio"],
        }[self.server]
        return [sys.executable, "-m", self.server, *address, application]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
