"""client.mjs of a recipe, a program of Node with a token, and what it shares with an API."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.documents import ROOT
from tests.follower import PASSWORD
from tests.live.servers import Process, eventually
from tests.recipes.recipe import Recipe


class Program:
    """A client that runs, and what it has printed."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def printed(self) -> list[str]:
        return self._process.log.read_text().splitlines()

    @property
    def sid(self) -> str:
        return self.printed[0].removeprefix("connected as ")

    def waits_for(self, line: str) -> None:
        eventually(lambda: line in self.printed, lambda: f"{line} is not in {self.printed}")


@contextmanager
def program(recipe: Recipe, name: str, password: str = PASSWORD, *, says: str) -> Iterator[Program]:
    """`node client.mjs ada ...` in the recipe's folder, once it says a line that begins so."""
    modules = recipe.folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(ROOT / "node_modules")
    number = len(list(recipe.folder.glob("client-*.log")))
    process = Process(
        f"client-{number}",
        ["node", "client.mjs", name, password, recipe.url],
        recipe.folder,
        ready=says,
        environment={"PATH": os.environ["PATH"]},
        cwd=recipe.folder,
    )
    process.start()
    try:
        process.wait()
        yield Program(process)
    finally:
        process.stop()


@contextmanager
def three_programs(recipe: Recipe) -> Iterator[tuple[Program, Program, Program]]:
    """Ada's on two devices and Bob's on one, all connected."""
    with (
        program(recipe, "ada", says="connected as") as ada,
        program(recipe, "ada", says="connected as") as phone,
        program(recipe, "bob", says="connected as") as bob,
    ):
        yield ada, phone, bob


def is_refused_with_a_wrong_password(recipe: Recipe) -> None:
    with program(recipe, "ada", "guessed", says="refused: Log in first. forbidden"):
        pass


def ask(
    recipe: Recipe, path: str, body: Mapping[str, Any], *, method: str = "POST", **headers: str
) -> tuple[int, Any]:
    """The status and the content of an answer of an API that speaks JSON."""
    headers = {"Content-Type": "application/json", **headers}
    content = json.dumps(body).encode()
    request = Request(f"{recipe.url}{path}", content, headers, method=method)
    try:
        with urlopen(request) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
