"""The chat served by two processes with Redis between them, and told things from a third."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import Person
from tests.browser.site import STARTS_WITHIN, Site, answers
from tests.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.redis]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + STARTS_WITHIN
    while not answers(port):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


@pytest.mark.any_layer
@pytest.mark.parametrize("layer", ["core", "pubsub"])
def test_people_on_two_processes_share_a_room(
    browser: Browser, redis_url: str, layer: str, tmp_path: Path
) -> None:
    sites = [
        Site(server, tmp_path, REDIS_URL=redis_url, CHAT_LAYER=layer)
        for server in ("daphne", "uvicorn")
    ]
    sites[0].manage("migrate", "--verbosity", "0")
    sites[0].manage("chat_demo")
    people = []
    try:
        for site, name in zip(sites, ["ada", "grace"], strict=True):
            site.start()
            person = Person(browser, site, name)
            people.append(person)
            person.hasten()
            person.log_in()
            person.enter("general")
        ada, grace = people
        ada.sees_people("ada", "grace")
        grace.sees_people("ada", "grace")
        grace.write("Can you")
        expect(ada.page.locator(".typing")).to_have_text("grace is typing")
        grace.say("Can you hear me over there?")
        ada.sees("Can you hear me over there?")
        ada.say("Loud and clear")
        grace.sees("Loud and clear")
        sites[0].manage(
            "shell",
            "-c",
            "from chat.models import Announcement; Announcement(text='From a shell').save()",
        )
        for person in people:
            expect(person.page.locator(".announcement")).to_have_text("From a shell")
        grace.page.goto("/")
        ada.sees_people("ada")
        ada.sees_away("grace online", "root offline")
        grace.enter("general")
        ada.sees_people("ada", "grace")
        # Who was on a process that is killed is gone when its lease and their grace are over.
        sites[1].kill()
        ada.sees_people("ada")
        ada.sees_away("grace offline", "root offline")
    finally:
        for person in people:
            person.context.close()
        for site in sites:
            site.stop()
