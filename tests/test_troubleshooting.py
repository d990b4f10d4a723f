"""docs/troubleshooting.md: each situation is brought about, and what was seen is what it quotes."""

import contextlib
import http.client
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import socketio
from socketio.exceptions import ConnectionError as ConnectRefused

from .documents import ROOT, blocks
from .live.servers import Process
from .ports import free_port

PAGE = "docs/troubleshooting.md"
SETTINGS = """
import json, os
for name, value in json.loads(os.environ.get("TRIAL", "{}")).items():
    globals()[name] = value
if os.environ.get("WITHOUT"):
    INSTALLED_APPS.remove(os.environ["WITHOUT"])
"""
FAULTS = """

from realtime import EventError, emit
from realtime.permissions import IsAuthenticated


@namespace("/members")
class Members(SocketIOConsumer):
    permission_classes = [IsAuthenticated]


@namespace("/faults")
class Faults(SocketIOConsumer):
    @event
    async def tell(self):
        emit("news")

    @event
    def report(self):
        emit("done", to="everyone", namespace="/fault")
        emit("done", to="everyone", namespace="/")
        raise EventError("That was it.")

    async def undeclared(self):
        pass

    @event
    def model(self):
        from django.contrib.auth.models import User

        return User(username="ada")

    @event
    async def number(self, n: int):
        return n

    @event
    async def pair(self, n, m):
        return n
"""
PLAIN_ASGI = """
from django.core.asgi import get_asgi_application

application = get_asgi_application()
"""
EMIT = "from realtime import emit; emit('news', 1)"
NO_DEBUG = '{"DEBUG": false, "ALLOWED_HOSTS": ["x.org"]}'
PLAIN = '{"ASGI_APPLICATION": "mysite.plain_asgi.application"}'
RARE_PINGS = '{"REALTIME": {"PING_INTERVAL": 90}}'
NO_REDIS = (
    '{"CHANNEL_LAYERS": {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer",'
    ' "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}}}'
)


class Trial:
    """The project of the README's five minutes, and what all of its processes said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mysite"
        self.seen: list[str] = []
        self._run(folder, "-m", "django", "startproject", "mysite")
        self._run(self.folder, "manage.py", "startapp", "hello")
        for block in blocks():
            if block.document == "README.md" and block.note.startswith("file: "):
                name, _, at_the_end = block.note.removeprefix("file: ").partition(", ")
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text((path.read_text() if at_the_end else "") + block.code)
        for name, more in [("mysite/settings.py", SETTINGS), ("hello/consumers.py", FAULTS)]:
            path = self.folder / name
            path.write_text(path.read_text() + more)
        (self.folder / "mysite" / "plain_asgi.py").write_text(PLAIN_ASGI)

    def manage(self, *arguments: str, **environment: str) -> None:
        self.seen.append(self._run(self.folder, "manage.py", *arguments, **environment))

    def python(self, code: str, **environment: str) -> None:
        self.seen.append(self._run(self.folder, "-c", code, **environment))

    def _run(self, folder: Path, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": str(Path(sys.executable).parent),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            **more,
        }

    @contextlib.contextmanager
    def served(self, **environment: str) -> Iterator[int]:
        port = free_port()
        server = Process(
            f"runserver-{port}",
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            self.folder.parent,
            port=port,
            environment=self._environment(environment),
            cwd=self.folder,
        )
        server.start()
        try:
            server.wait()
            yield port
        finally:
            server.stop()
            self.seen.append(server.news())

    def get(self, port: int, query: str, **headers: str) -> str:
        url = f"http://127.0.0.1:{port}/socket.io/?{query}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            self.seen.append(text)
            return text

    def open_websocket(self, port: int, path: str) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        connection = http.client.HTTPConnection("127.0.0.1", port)  # urllib sends "close"
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status == 403
        connection.close()

    def connect(self, port: int, namespace: str) -> None:
        with pytest.raises(ConnectRefused), socketio.SimpleClient() as client:
            client.connect(f"http://127.0.0.1:{port}", namespace=namespace)

    def call(self, port: int, event: str, *args: object) -> None:
        with socketio.SimpleClient() as client:
            client.connect(f"http://127.0.0.1:{port}", namespace="/faults")
            assert "error" in client.call(event, args)


@contextlib.contextmanager
def without_upgrade(port: int) -> Iterator[int]:
    """A proxy that passes one request of each connection on, less what begins a websocket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=pass_on, args=[client], daemon=True).start()

        def pass_on(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                head, _, body = client.recv(65536).partition(b"\r\n\r\n")
                head = re.sub(rb"(?i)\r\n(upgrade|connection|accept-encoding):[^\r]*", b"", head)
                server.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
                while data := server.recv(65536):
                    client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_quoted_texts_are_what_is_said(tmp_path: Path) -> None:
    seen = _tried(Trial(tmp_path))
    quoted = [block for block in blocks() if block.document == PAGE and block.note == "seen"]
    assert len(quoted) > 10
    wrong = [
        f"{block}: {line}"
        for block in quoted
        for line in block.code.splitlines()
        if line.strip() not in seen
    ]
    assert not wrong, "\n".join([*wrong, seen])


def _tried(trial: Trial) -> str:
    with (
        trial.served() as port,
        trial.served() as other,
        trial.served(WITHOUT="daphne") as plain,
        without_upgrade(port) as proxy,
        ThreadPoolExecutor(4) as pool,
    ):
        doctor = ["realtime", "doctor", "--url"]
        waits = [
            pool.submit(trial.manage, "check", WITHOUT="daphne"),
            pool.submit(trial.manage, "check", TRIAL=PLAIN),
            pool.submit(trial.manage, "check", TRIAL=NO_DEBUG),
            pool.submit(trial.manage, "check", "--deploy", TRIAL=RARE_PINGS),
            pool.submit(trial.python, "import mysite.asgi", WITHOUT="realtime"),
            pool.submit(trial.manage, "shell", "-c", EMIT),
            pool.submit(trial.manage, "shell", "-c", EMIT, TRIAL=NO_REDIS),
            pool.submit(trial.manage, *doctor, f"http://127.0.0.1:{plain}"),
            pool.submit(trial.manage, *doctor, f"http://127.0.0.1:{proxy}"),
        ]
        trial.get(port, "EIO=3&transport=polling")
        trial.get(port, "EIO=4&transport=polling", Origin="https://app.example.com")
        opened = trial.get(port, "EIO=4&transport=polling")
        trial.open_websocket(port, "/ws/chat/")
        sid = re.search(r'"sid":"([^"]+)', opened)
        assert sid is not None
        trial.get(other, f"EIO=4&transport=polling&sid={sid[1]}")
        for namespace in ("/nowhere", "/member", "/members"):
            trial.connect(port, namespace)
        for event in ("undeclared", "modle", "model", "tell", "report"):
            trial.call(port, event)
        trial.call(port, "number", "7")
        trial.call(port, "pair", {"n": 1, "m": 2})
        for wait in waits:
            wait.result()
    return "\n".join(trial.seen)
