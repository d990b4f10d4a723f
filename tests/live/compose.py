"""docs/deploy/compose.yaml without Docker: the Dockerfile's steps in folders, and its commands."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.live.clients import Client
from tests.live.deployment import ASGI, CONSUMERS, FILES, Postgres, variables
from tests.live.proxies import Caddy
from tests.live.servers import ROOT, Process, Redis, eventually
from tests.ports import free_port

#: What the docs have you put beside manage.py.
BESIDE_MANAGE = [
    *("Dockerfile", "Dockerfile.dockerignore", "compose.yaml", "Caddyfile", "redis.conf"),
    *("mysite.env", "requirements.txt"),
]
WAYS = [["polling"], ["websocket"], ["polling", "websocket"]]
RECONNECTING = {"reconnection": True, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5}


def context(folder: Path, wheel: Path) -> Path:
    """A fresh project with the files of the docs, and the wheel in place of the package index."""
    folder.mkdir()
    _run([sys.executable, "-m", "django", "startproject", "mysite", "."], folder)
    for name in BESIDE_MANAGE:
        shutil.copy(FILES / name, folder)
    shutil.copy(FILES / "production.py", folder / "mysite")
    (folder / "mysite" / "asgi.py").write_text(ASGI)
    with (folder / "mysite" / "settings.py").open("a") as settings:
        # As in the README's project, whose settings name what production.py adds.
        settings.write(
            '\nINSTALLED_APPS = ["daphne", *INSTALLED_APPS, "channels", "realtime", "hello"]\n'
        )
    (folder / "hello").mkdir()
    (folder / "hello" / "__init__.py").touch()
    (folder / "hello" / "consumers.py").write_text(CONSUMERS)
    shutil.copy(wheel, folder)
    requirements = folder / "requirements.txt"
    text = requirements.read_text()
    named = re.sub(r"^django-realtime-socketio", f"./{wheel.name}", text, flags=re.MULTILINE)
    assert named != text
    requirements.write_text(named)
    return folder


class Image:
    """What the Dockerfile makes, below a folder in place of /srv, and as this user."""

    def __init__(self, source: Path, srv: Path) -> None:
        self._srv = srv
        self.folder = srv / "mysite"
        self.environment = {"PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self._text = (source / "Dockerfile").read_text()
        [packages, user, folder] = self._instructions("RUN")
        assert user.startswith("useradd ")
        self._shell(packages.replace("--no-cache-dir ", ""), source)
        for name, value in re.findall(r"(\w+)=(\S+)", self._instructions("ENV")[0]):
            self.environment[name] = value.replace("$PATH", self.environment["PATH"])
        ignored = (source / "Dockerfile.dockerignore").read_text().replace("**/", "").splitlines()
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns(*ignored))
        self._shell(folder.replace("--owner=mysite ", ""), self.folder)

    def command(self, instruction: str, port: int) -> list[str]:
        """CMD, or HEALTHCHECK, at another port and for this machine only."""
        [text] = self._instructions(instruction)
        words = json.loads("[" + text.partition("[")[2])
        assert any("8000" in word for word in words)
        words = [word.replace("8000", str(port)) for word in words]
        program = self._srv / "venv" / "bin" / words[0]
        return [str(program), *("127.0.0.1" if word == "0.0.0.0" else word for word in words[1:])]

    def run(self, command: list[str], environment: Mapping[str, str]) -> None:
        _run(command, self.folder, self.environment | environment)

    def _instructions(self, name: str) -> list[str]:
        found = re.findall(rf"^{name} (.+)$", self._text, re.MULTILINE)
        return [text.replace("/srv/", f"{self._srv}/") for text in found]

    def _shell(self, line: str, folder: Path) -> None:
        _run(["sh", "-c", line], folder, self.environment)


def _run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Stack:
    """The services of compose.yaml: variables, commands and order are the file's."""

    def __init__(self, folder: Path, image: Image, redis: Redis, postgres: Postgres) -> None:
        self.image = image
        self.services: dict[str, Any] = yaml.safe_load((FILES / "compose.yaml").read_text())[
            "services"
        ]
        own = self.services["web1"]["environment"]
        self._environment = {
            **image.environment,
            **variables((FILES / "mysite.env").read_text()),
            **own,
            "DJANGO_ALLOWED_HOSTS": "localhost",
            # Addresses, which in containers are the names of the services.
            "REDIS_URL": own["REDIS_URL"].replace("//redis:6379", f"//127.0.0.1:{redis.port}"),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGDATABASE": "postgres",
            "FORWARDED_ALLOW_IPS": "127.0.0.1",
            # Nothing of the tests.
            "PYTHONPATH": "",
        }
        image.run(self.services["release"]["command"], self._environment)
        names = [name for name in self.services if name.startswith("web")]
        self.web = [Web(name, image, folder, self._environment) for name in names]

    def grace(self, web: "Web") -> float:
        """Seconds until Docker would kill it."""
        return float(self.services[web.name]["stop_grace_period"].removesuffix("s"))


class Web(Process):
    def __init__(
        self, name: str, image: Image, folder: Path, environment: Mapping[str, str]
    ) -> None:
        port = free_port()
        command = image.command("CMD", port)
        super().__init__(
            name, command, folder, port=port, environment=environment, cwd=image.folder
        )
        self._image, self._port = image, port

    def check(self) -> None:
        """Its HEALTHCHECK."""
        self._image.run(self._image.command("HEALTHCHECK", self._port), {})

    def stop_within(self, seconds: float) -> int:
        """`docker stop`: SIGTERM, and later SIGKILL. Returns the exit code."""
        process, self._process = self._process, None
        assert process is not None
        process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


class SecureCaddy(Caddy):
    """At https://localhost, with a certificate of Caddy's own that this machine does not trust."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        super().__init__(folder, stack.web, stack.image.folder)
        self.plain_port = free_port()
        configuration = folder / "Caddyfile"
        ports = f"http_port {self.plain_port}\n    https_port {self.port}"
        # HTTP/3 would need the port's UDP half, with which this process keeps others off it.
        ports += "\n    servers {\n        protocols h1 h2\n    }"
        text = configuration.read_text()
        assert "admin off\n" in text
        configuration.write_text(
            text.replace("admin off\n", f"admin off\n    skip_install_trust\n    {ports}\n")
        )
        self._environment = dict(self._environment, SITE_ADDRESS="localhost")
        self.url = f"https://localhost:{self.port}"


def build_wheel(folder: Path) -> Path:
    _run([sys.executable, str(ROOT / ".ci" / "wheel.py"), str(folder)], ROOT)
    return next(folder.glob("*.whl"))


async def stay_connected(url: str, renew: Callable[[], None]) -> None:
    """Clients of each transport, while `renew` replaces all processes, one after the other."""
    clients = [
        Client(url, ("/",), transports=way, ssl_verify=False, **RECONNECTING) for way in 3 * WAYS
    ]
    for client in clients:
        await client.connect()
        await client.next("connect")
    await asyncio.to_thread(renew)
    assert any(client.waiting("disconnect") for client in clients)
    await asyncio.to_thread(
        eventually,
        lambda: all(client.sio.connected for client in clients),
        lambda: "not all clients came back",
    )
    await clients[0].emit("tell", "hello")
    assert [await client.next("told") for client in clients] == [("hello",)] * len(clients)
    for client in clients:
        await client.disconnect()
