"""A project of the docs with a front end: what npm does in it, without asking the network."""

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.documents import Block
from tests.follower import five_minutes
from tests.live.servers import Process
from tests.ports import free_port
from tests.recipes.recipe import Recipe

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
DJANGO = "127.0.0.1:8000"
#: Static files come from STATIC_ROOT, where a site in production has them served from.
PRODUCTION = """
from .settings import *

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "mysite.served"
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
}
"""
SERVED = """
from django.conf import settings
from django.urls import path
from django.views.static import serve

from .urls import urlpatterns

files = {"document_root": settings.STATIC_ROOT}
urlpatterns = [path("static/<path:path>", serve, files), *urlpatterns]
"""


def votes_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that docs/bundlers.md leaves, made once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "popen" in folder.name:  # as a worker of pytest-xdist has it
        folder = folder.parent
    folder = folder / "bundlers"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            (folder / "five-minutes").mkdir()
            project = Project(five_minutes(folder / "five-minutes").folder, folder, "daphne")
            (project.folder / "mysite" / "served.py").write_text(SERVED)
            (project.folder / "mysite" / "production.py").write_text(PRODUCTION)
            # With its storage each static file gets a name with a hash, Vite's a second one.
            project.environment["DJANGO_SETTINGS_MODULE"] = "mysite.production"
            project.serve = lambda commands: None
            project.follow("docs/bundlers.md")
            (folder / "made").touch()
    return folder / "mysite"


class Project(Recipe):
    """Who follows a page with a front end. `npm install` links what `make setup` has installed."""

    def __init__(self, base: Path, folder: Path, kind: str) -> None:
        super().__init__(base, folder, kind)
        self.frontend = self.folder / "frontend"
        config = self.frontend / "vite.config.js"
        if config.exists():
            config.write_text(re.sub(r"127\.0\.0\.1:\d+", self._address, config.read_text()))
        node = shutil.which("node")
        assert node, "Node is not installed: make setup brings it, WITHOUT=node does without"
        self.environment["PATH"] = os.pathsep.join(
            [str(Path(node).parent), self.environment["PATH"]]
        )

    def take(self, block: Block) -> None:
        if block.note == "npm":
            for line in block.code.splitlines():
                self._npm(*shlex.split(line)[1:])
        else:
            code = block.code.replace(DJANGO, self._address) if block.path else block.code
            super().take(replace(block, code=code))

    @property
    def _address(self) -> str:
        return self.url.removeprefix("http://")

    def _npm(self, verb: str, *arguments: str) -> None:
        if verb == "install":
            self._install([name for name in arguments if not name.startswith("--")])
        elif arguments != ("dev",):  # a server, which the test starts
            done = self.npm(verb, *arguments)
            assert done.returncode == 0, done.stdout + done.stderr

    def _install(self, names: list[str]) -> None:
        """Check that the tests have what readers are told to install, and in no other version."""
        ours, theirs = (_packages(folder) for folder in (HERE, self.frontend))
        assert theirs.items() <= ours.items() and set(names) <= ours.keys()
        modules = self.frontend / "node_modules"
        modules.mkdir(exist_ok=True)  # of its own, because Vite writes there
        for package in [*MODULES.glob("[!.]*"), MODULES / ".bin"]:
            link = modules / package.name
            if not link.is_symlink():
                link.symlink_to(package)

    def npm(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["npm", *arguments],
            cwd=self.frontend,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a source file, as an editor saves it."""
        path = self.frontend / "src" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    @contextmanager
    def dev(self) -> Iterator[str]:
        """`npm run dev`, without npm, which would not hand on a signal; the address of the page."""
        port = free_port()
        program = "node_modules/vite/bin/vite.js"
        server = Process(
            f"vite-{port}",
            ["node", program, "--port", str(port), "--strictPort"],
            self.folder.parent,
            ready="ready in",
            environment=self.environment,
            cwd=self.frontend,
        )
        server.start()
        try:
            server.wait()
            yield f"http://localhost:{port}/"
        finally:
            server.terminate()
            server.stop()


def _packages(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "package.json").read_text())
    return {**content["dependencies"], **content["devDependencies"]}
