"""A recipe's project with its servers running, and what a test does with it."""

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.browser.visitor import Visitor
from tests.follower import PASSWORD, Follower
from tests.live.servers import OPTIONS, Process
from tests.live.test_javascript import finish, script
from tests.ports import free_port

Running = AbstractContextManager["subprocess.Popen[str]"]
SERVERS = ["daphne", "uvicorn"]
SCRIPTS = Path(__file__).parent / "js"
#: What is in the log of a program of a page when it is ready.
READY = {"celery": " ready."}
#: As runserver does, static files are found where they lie.
SERVED = """
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from mysite.asgi import application as site

application = ASGIStaticFilesHandler(site)
"""


class Recipe(Follower):
    """Who follows a recipe: `runserver` of its page is Daphne or uvicorn, on a port of its own."""

    def __init__(self, base: Path, folder: Path, kind: str) -> None:
        super().__init__(folder / base.name)
        shutil.copytree(base, self.folder, symlinks=True)  # Node packages are links
        self.kind = kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
        self.serve = self.start
        self.processes: list[Process] = []
        self._visitors: dict[str, Visitor] = {}

    def start(self, commands: list[str]) -> None:
        """Start what a block of commands starts, `python manage.py runserver` among it."""
        started = [self._process(shlex.split(command)) for command in commands]
        for process in started:
            process.start()
        self.processes += started
        for process in started:
            process.wait()

    def _process(self, command: list[str]) -> Process:
        if command == ["python", "manage.py", "runserver"]:
            (self.folder / "served.py").write_text(SERVED)
            options = [*OPTIONS[self.kind], "--port", str(self.port)]
            command = ["python", "-m", self.kind, *options, "served:application"]
            name, port = self.kind, self.port
        else:
            name, port = command[0], None
        program = sys.executable if command[0] == "python" else command[0]
        return Process(
            name,
            [program, *command[1:]],
            self.folder.parent,
            port=port,
            ready=READY.get(name),
            environment=self.environment,
            cwd=self.folder,
        )

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.stop()

    @property
    def log(self) -> str:
        logs = dict.fromkeys(process.log for process in self.processes)  # one for each name
        return "".join(log.read_text() for log in logs)

    def run(self, *command: str, **options: Any) -> str:
        here = [part.replace("http://127.0.0.1:8000", self.url) for part in command]
        return super().run(*here, **options)

    def shell(self, code: str) -> str:
        """What code prints that runs in another process of the site."""
        return self.run("python", "manage.py", "shell", "--verbosity", "0", "-c", code)

    def visitor(self, name: str) -> Visitor:
        """Somebody who has logged in: once for each name, since it takes a while."""
        if name not in self._visitors:
            visitor = self._visitors[name] = Visitor(self)
            visitor.log_in(name, PASSWORD, then="/socket.io/socket.io.js")
        return self._visitors[name]

    def script(self, name: str, *people: str, **environment: str) -> Running:
        """A script of js/ that runs beside the test, given people's cookies: COOKIE_ADA."""
        cookies = {f"COOKIE_{who.upper()}": self.visitor(who).cookies for who in people}
        return script(name, self, scripts=SCRIPTS, **cookies, **environment)

    def node(self, name: str, *people: str, **environment: str) -> str:
        """The same, waited for: what it prints."""
        with self.script(name, *people, **environment) as process:
            return finish(process)


def problems(log: str) -> list[str]:
    """What no server of a recipe should have to say."""
    return re.findall(r"^.*(?:Traceback|was never awaited).*$", log, re.MULTILINE)
