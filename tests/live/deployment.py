"""What docs/deploy.md sets up: a fresh site with the files of docs/deploy, under their commands."""

import configparser
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.live.servers import ENDS_WITHIN, ROOT, STARTS_WITHIN, Process, Redis
from tests.ports import free_port

FILES = ROOT / "docs" / "deploy"
#: What systemd takes for a clean end: SuccessExitStatus= in systemd.service(5).
CLEAN = (0, -signal.SIGTERM)
#: How honcho, as a shell, says that the signal ended its process.
PASSED_ON = 128 + signal.SIGTERM
CONSUMERS = """
from django.contrib.auth.models import User

from realtime import SocketIOConsumer, event, namespace


@namespace("/")
class Everyone(SocketIOConsumer):
    async def connect(self, auth):
        await self.join("everyone")

    @event
    async def address(self):
        return self.scope["client"][0]

    @event
    async def work(self):
        return await self.call("question")

    @event
    def enrol(self, name):
        User.objects.create(username=name)
        return User.objects.count()

    @event
    async def tell(self, text):
        await self.emit("told", text, to="everyone")
"""
ASGI = "from realtime.asgi import get_asgi_application\n\napplication = get_asgi_application()\n"


class Postgres(Process):
    """A PostgreSQL with an empty cluster, whose one user is `mysite`."""

    def __init__(self, folder: Path) -> None:
        # It refuses to be root, and others can't look into pytest's folders.
        self._data = Path(tempfile.mkdtemp(prefix="realtime-postgres-"))
        self._as = _as_nobody(self._data)
        port = free_port()
        subprocess.run(
            [
                *self._as,
                _postgres("initdb"),
                "--pgdata",
                str(self._data),
                "--username=mysite",
                "--auth=trust",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        super().__init__(
            "postgres",
            [*self._as, _postgres("postgres"), "-D", str(self._data), "-p", str(port), *options],
            folder,
            port=port,
            ready="ready to accept connections",
            cwd=Path("/"),
        )

        self.url = f"postgres://127.0.0.1:{port}"
        # After stop() it can be started again, with what it holds.
        weakref.finalize(self, shutil.rmtree, self._data, ignore_errors=True)

    def connected(self) -> "psycopg.Connection[Any]":
        """A connection of the test's own."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="mysite", dbname="postgres", autocommit=True
        )

    def terminate(self) -> None:
        # SIGTERM would have it wait until each client has gone.
        if self._process is not None and not self._ending:
            self._ending = True
            self._process.send_signal(signal.SIGINT)

    def pause(self) -> None:
        super().pause()
        self._each("suspend")

    def resume(self) -> None:
        self._each("resume")
        super().resume()

    def _each(self, method: str) -> None:
        """Do that to each of its own processes: a connection has one."""
        assert self._process is not None
        for process in psutil.Process(self._process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, method)()


def _as_nobody(folder: Path) -> list[str]:
    """What a command begins with that root runs as somebody else, to whom the folder is given."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "nobody", "nogroup")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def _postgres(name: str) -> str:
    # Debian keeps them where only its own wrappers look.
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    program = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)]))
    assert program, "PostgreSQL is not installed: make test installs it, WITHOUT=postgres omits"
    return program


class Site:
    """A project of `startproject`, with the files of the docs."""

    def __init__(self, folder: Path, redis: Redis, postgres: Postgres) -> None:
        self.folder = folder
        self.redis, self.postgres = redis, postgres
        self.environment = {
            **variables((FILES / "mysite.env").read_text()),
            "DJANGO_ALLOWED_HOSTS": "example.com,127.0.0.1",
            "REDIS_URL": redis.url,
            "PGPORT": str(postgres.port),
            "PGDATABASE": "postgres",
            "PYTHONPATH": str(ROOT),
            # Django must not find the settings of the tests.
            "REALTIME_TEST_FOLDER": str(folder),
        }
        link_python(folder)
        self._run("-m", "django", "startproject", "mysite", ".")
        (folder / "hello").mkdir()
        (folder / "hello" / "__init__.py").touch()
        (folder / "hello" / "consumers.py").write_text(CONSUMERS)
        with (folder / "mysite" / "settings.py").open("a") as settings:
            # As in the README, with a setting that is to hold in production too.
            settings.write(
                '\nINSTALLED_APPS = ["daphne", *INSTALLED_APPS, "channels", "realtime", "hello"]\n'
                'REALTIME = {"MAX_ROOMS": 77}\n'
            )
        (folder / "mysite" / "asgi.py").write_text(ASGI)
        shutil.copy(FILES / "production.py", folder / "mysite")

    def manage(self, *arguments: str) -> str:
        """Run a management command; returns all that it prints."""
        return self._run("manage.py", *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=STARTS_WITHIN,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def variables(text: str) -> dict[str, str]:
    """An EnvironmentFile."""
    found = re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return {name: "".join(shlex.split(value)) for name, value in found}


def unit_text(name: str, site: Path) -> str:
    """A unit file of the docs, for a site in another folder."""
    return (FILES / f"{name}@.service").read_text().replace("/srv/mysite", str(site))


def link_python(site: Path) -> None:
    """Give a site the Python of the tests, by a path without the spaces that theirs may have."""
    (site / ".venv").symlink_to(sys.prefix)


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string((FILES / f"{name}@.service").read_text())
    return parser


def unit_command(name: str, site: Path, port: int) -> list[str]:
    """As systemd would start it by a unit file of the docs, without its user's name."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(unit_text(name, site).replace("%i", str(port)))
    service = parser["Service"]
    assert Path(service["WorkingDirectory"]) == site
    return shlex.split(service["ExecStart"])


def docker_command(name: str, site: Path, port: int) -> list[str]:
    """The CMD of the docs' Dockerfile."""
    [words] = re.findall(r"^CMD (.+)$", (FILES / name).read_text(), re.MULTILINE)
    return _for_this_machine([str(port) if word == "8000" else word for word in json.loads(words)])


def procfile_command(name: str, site: Path, port: int) -> list[str]:
    """As a platform like Heroku runs the docs' file: `honcho` reads it as they do."""
    ours = site / name
    text = (FILES / name).read_text()
    ours.write_text(text.replace("--host 0.0.0.0", "--host 127.0.0.1"))
    programs = site / ".venv" / "bin"
    path = f"PATH={programs}{os.pathsep}{os.environ['PATH']}"
    honcho = ["honcho", "start", "--no-prefix", "--procfile", str(ours), "--port", str(port), "web"]
    return ["env", path, *honcho]


def _for_this_machine(command: list[str]) -> list[str]:
    """With the tests' Python, and without an ear for other machines."""
    program = Path(sys.prefix) / "bin" / command[0]
    return [str(program), *("127.0.0.1" if word == "0.0.0.0" else word for word in command[1:])]


#: More of uvicorn's options, each at least once; docs/deploy.md names them.
UVICORN = {
    "uvloop": "--loop uvloop --http httptools --ws websockets-sansio",
    "asyncio": "--loop asyncio --http h11 --ws wsproto",
    "legacy": "--ws websockets",
    "workers": "--workers 2",
}


def uvicorn_command(name: str, site: Path, port: int) -> list[str]:
    options = ["--host", "0.0.0.0", "--port", str(port), *UVICORN[name].split()]
    return _for_this_machine(["uvicorn", *options, "mysite.asgi:application"])


COMMANDS = {
    "Dockerfile": docker_command,
    "Procfile": procfile_command,
    **dict.fromkeys(UVICORN, uvicorn_command),
}


class Unit(Process):
    """A process of the site: `name` is that of a unit, or one of COMMANDS."""

    def __init__(self, name: str, site: Site, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        super().__init__(
            f"{name}-{port}",
            COMMANDS.get(name, unit_command)(name, site.folder, port),
            folder,
            port=port,
            environment=environment,
            cwd=site.folder,
        )
        self.url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        """Its MainPID."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """As systemd does: SIGTERM, and what comes is looked at."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        clean = (*CLEAN, PASSED_ON) if self.name.startswith("Procfile") else CLEAN
        assert process.wait(ENDS_WITHIN) in clean, self.log.read_text()
