"""What the pages for Node and Python promise alike: two programs, and their site restarted."""

from collections.abc import Sequence
from urllib.request import urlopen

import pytest

from tests.documents import blocks
from tests.live.servers import Process, eventually
from tests.recipes.recipe import Recipe


class Device(Process):
    """The page's program, with a token."""

    def __init__(self, recipe: Recipe, name: str, command: Sequence[str], token: str) -> None:
        super().__init__(
            f"device-{name}",
            [*command],
            recipe.folder.parent,
            ready="noted",
            environment={"SITE": recipe.url, "TOKEN": token},
            cwd=recipe.folder / "device",
        )

    def expect(self, text: str, times: int = 1) -> None:
        eventually(lambda: self.log.read_text().count(text) >= times, self.log.read_text)


@pytest.fixture(scope="module")
def tokens(request: pytest.FixtureRequest, recipe: Recipe) -> dict[str, str]:
    """What the page's own code for the shell prints, for both users and for a time that is over."""
    return tokens_of(recipe, request.module.__name__.rpartition(".test_")[2])


def tokens_of(recipe: Recipe, page: str) -> dict[str, str]:
    document = f"docs/recipes/{page}.md"
    code = next(b.code for b in blocks() if b.document == document and "make_token" in b.code)
    for_bob, over = code.replace('"ada"', '"bob"'), code.replace("days=30", "days=-1")
    printed = recipe.shell(code + for_bob + over).split()
    return dict(zip(("ada", "bob", "over"), printed, strict=True))


def look_at_two(recipe: Recipe, command: Sequence[str], tokens: dict[str, str]) -> None:
    ada, bob = (Device(recipe, name, command, tokens[name]) for name in ("ada", "bob"))
    for device in (ada, bob):
        device.start()
        device.wait()
    ada.expect("bob has")
    urlopen(f"{recipe.url}/publish/?title=Hello").close()
    for device in (ada, bob):
        device.expect("news: Hello")
    recipe.stop()
    for device in (ada, bob):
        device.expect("disconnected:")
    recipe.start(["python manage.py runserver"])
    for device in (ada, bob):
        device.expect("noted", times=2)
        device.stop()
        device.expect("disconnected:", times=2)
        assert "Traceback" not in device.log.read_text(), device.log.read_text()


def look_at_refusals(recipe: Recipe, command: Sequence[str], tokens: dict[str, str]) -> None:
    half = tokens["ada"][: len(tokens["ada"]) // 2]
    refused = {"invalid_token": half, "token_expired": tokens["over"]}
    devices = {code: Device(recipe, code, command, token) for code, token in refused.items()}
    for device in devices.values():
        device.start()
    for code, device in devices.items():
        eventually(lambda device=device: device.ended, device.log.read_text)
        device.expect(code)
        assert "Traceback" not in device.log.read_text(), device.log.read_text()
