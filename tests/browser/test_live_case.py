"""A browser on the live server of the test kit, which runs in the test's own process."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from realtime import acount_sockets, aemit
from realtime.testing import assert_emitted
from tests.browser.conftest import ARGUMENTS, BROWSERS

pytestmark = pytest.mark.browser

CONNECT = """() => new Promise((resolve) => {
  window.socket = io();
  window.news = new Promise((heard) => window.socket.on("news", heard));
  window.socket.on("connect", resolve);
})"""


# With Playwright's sync API its loop counts as running in this thread, and Django refuses the ORM.
@pytest.fixture
async def async_browser() -> AsyncIterator[Browser]:
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found[0], args=ARGUMENTS)
        yield browser
        await browser.close()


async def test_browser_and_test_hear_each_other(
    socketio_live_server: Any, async_browser: Browser
) -> None:
    page = await async_browser.new_page(base_url=socketio_live_server.url)
    await page.goto("/accounts/login/")
    await page.add_script_tag(url="/static/realtime/socket.io.min.js")
    await page.evaluate(CONNECT)
    assert (await page.evaluate("window.socket.emitWithAck('join', 'tea')"))["ok"]
    assert await acount_sockets("tea") == 1
    await aemit("news", "Tea is served", to="tea")
    assert await page.evaluate("window.news") == "Tea is served"
    await page.evaluate("window.socket.emitWithAck('message', {room: 'tea', text: 'Hello'})")
    assert_emitted("message", "Hello", to="tea", count=1)
