"""Every snippet of the README and the docs is run here, and every link followed."""

import ast
import asyncio
import inspect
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_init,
    post_save,
    pre_delete,
    pre_save,
)
from django.test import override_settings

import realtime
from realtime import asgi, conf, installed, routing, signals
from realtime.asgi import make_server
from realtime.authentication import jwt, rest_framework
from realtime.changes.declarations import forget
from realtime.checks import (
    authentication,
    changes,
    deployment,
    durable,
    layers,
    logins,
    postgres,
    recovery,
    redis,
    settings,
    site,
)
from realtime.compat.server import SocketIOServer

from .documents import DOCUMENTS, ROOT, Block, blocks
from .follower import five_minutes
from .live.servers import Process
from .ports import free_port
from .tsc import complaints

BLOCKS = list(blocks())


def of(language: str, *, note: str = "") -> list[Any]:
    found = [b for b in BLOCKS if b.language == language and b.note.partition(":")[0] == note]
    assert found
    return [pytest.param(block, id=str(block)) for block in found]


def _is_test(block: Block) -> bool:
    answer = block.document == "docs/how-do-i.md" and "TestCase" in block.code
    return answer or block.document == "docs/testing.md"


def test_each_block_is_of_a_kind_that_is_tested() -> None:
    tested = {
        ("python", ""),
        ("python", "file"),
        ("python", "settings"),
        ("python", "client"),
        ("html", "file"),
        ("html", "page"),  # tests/browser/test_classics.py
        ("js", ""),
        ("js", "file"),
        ("json", "file"),
        ("sh", ""),
        # Those of the tutorial and the recipes, which tests/follower.py follows, and those that
        # tests/test_troubleshooting.py brings about.
        ("sh", "environment"),
        ("sh", "run"),
        ("sh", "serve"),
        ("text", ""),
        ("text", "file"),  # of a language that Pygments does not know
        ("text", "seen"),
        ("sh", "npm"),  # tests/frontend/project.py
        ("ts", ""),
        ("ts", "file"),
        ("tsx", "file"),
        ("ts", "usage"),
        ("vue", "file"),
    }
    assert {(block.language, block.note.partition(":")[0]) for block in BLOCKS} <= tested


@pytest.fixture
def serving() -> Iterator[SocketIOServer]:
    """A server in a thread of this process, so that emits have somewhere to go."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = make_server()

    async def start() -> None:
        server.start()

    asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield server
    asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def untouched() -> Iterator[None]:
    """Snippets register namespaces, servers and receivers; they are taken back."""
    listened = [getattr(signals, name) for name in dir(signals) if name.islower()]
    of_models = [post_init, pre_save, post_save, pre_delete, post_delete, m2m_changed]
    listened = [*of_models, *(s for s in listened if hasattr(s, "receivers"))]
    receivers = [(signal, list(signal.receivers)) for signal in listened]
    routes, servers = list(routing._routes), list(asgi._created)
    # Projects of the docs serve "/" themselves, as the chat does here.
    routing._routes[:] = [route for route in routes if str(route.pattern)]
    yield
    routing._routes[:], asgi._created[:] = routes, servers
    forget(Group)
    for signal, kept in receivers:
        signal.receivers = kept
        signal.sender_receivers_cache.clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("serving", "untouched")
@pytest.mark.parametrize("block", [b for b in of("python") if not _is_test(b.values[0])])
def test_python_snippet_runs(block: Block) -> None:
    User.objects.create_user("ada")
    scope: dict[str, Any] = {"__name__": "snippet"}
    sync, asynchronous = _parts(block.code)
    exec(compile(sync, str(block), "exec"), scope)
    result = eval(compile(asynchronous, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), scope)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    for name in [name for name in scope if name.startswith("test_")]:
        asyncio.run(scope[name]())
    Group.objects.all().delete()


@pytest.mark.parametrize("block", [b for b in of("python") if _is_test(b.values[0])])
def test_snippet_of_tests_passes(block: Block, tmp_path: Path) -> None:
    """As the tests of a project of its own, in which nothing is served but by the snippet."""
    (tmp_path / "test_snippet.py").write_text(block.code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "tests.sample.settings",
            "PYTHONPATH": str(ROOT),
            "SAMPLE_TEST_DATABASE": str(tmp_path / "test.sqlite3"),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _parts(code: str) -> tuple[ast.Module, ast.Module]:
    """The statements without a top-level await, and those with one, which need a loop."""
    statements = ast.parse(code).body
    awaits = [s for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Await)]
    rest = [statement for statement in statements if statement not in awaits]
    return ast.Module(rest, []), ast.Module(awaits, [])


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("block", of("python", note="settings"))
def test_settings_snippet_passes_the_checks(block: Block) -> None:
    chosen: dict[str, Any] = {}
    exec(compile(block.code, str(block), "exec"), chosen)
    del chosen["__builtins__"]
    with override_settings(DEBUG=True, **chosen):
        assert site.check_settings(None) == []


#: What test_five_minute_path_works_to_the_letter does, in this order.
FIVE_MINUTES = {
    "django-admin startproject mysite",
    "cd mysite",
    "python manage.py startapp hello",
    "python manage.py migrate",
    "python manage.py runserver",
}


#: As in Django's own tutorial; the tests are in such an environment already.
VIRTUAL_ENVIRONMENT = {"python -m venv .venv", ". .venv/bin/activate"}


@pytest.mark.parametrize("block", of("sh"))
def test_shell_snippet_names_targets_that_exist(block: Block) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in block.code.splitlines():
        if line.startswith("make "):
            assert line.split()[1] in targets
        elif line not in FIVE_MINUTES | VIRTUAL_ENVIRONMENT:
            # The wheel that `make wheel` builds has this name; test_packaging.py builds it.
            version = realtime.__version__
            assert f"django_realtime_socketio-{version}-py3-none-any.whl[daphne" in line


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo site under Daphne, which the docs' clients talk to."""
    port = free_port()
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)]
    environment = {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "CHAT_DATABASE": str(folder / "db.sqlite3"),
    }
    process = Process(
        "demo",
        [*command, "project.asgi:application"],
        folder,
        port=port,
        environment=environment,
    )
    process.start()
    process.wait()
    yield f"http://127.0.0.1:{port}"
    process.stop()
    assert "Traceback" not in process.news()


JS_PRELUDE = """
import { io as connect } from "socket.io-client";
// On a page, addresses without a host are those of its site.
const fetch = (address, options) => globalThis.fetch(new URL(address, process.argv[2]), options);
const opened = [];
const io = (namespace = "/", options = {}) => {
  const socket = connect(process.argv[2] + namespace, options);
  opened.push(socket);
  return socket;
};
"""
JS_END = """
await Promise.all(opened.map((socket) => new Promise((resolve) => {
  if (socket.connected) resolve();
  socket.on("connect", resolve);
  socket.on("connect_error", resolve);
})));
opened.forEach((socket) => socket.disconnect());
"""


@pytest.mark.node
@pytest.mark.parametrize("block", of("js"))
def test_javascript_snippet_runs(block: Block, demo: str) -> None:
    script = JS_PRELUDE + block.code + JS_END
    done = subprocess.run(
        ["node", "--input-type=module", "-", demo],
        input=script,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "refused: xhr" not in done.stdout
    if "console.log(answer" in block.code:
        assert "joined" in done.stdout


@pytest.mark.node
@pytest.mark.usefixtures("untouched")
def test_typescript_of_a_snippet_is_what_the_command_writes(tmp_path: Path) -> None:
    page = [block for block in BLOCKS if block.document == "docs/schema.md"]
    exec(next(block.code for block in page if block.language == "python"), {"__name__": "snippet"})
    path = tmp_path / "events.ts"
    shown, usage = (block.code for block in page if block.language == "ts")
    call_command(
        "realtime",
        "schema",
        *("--format", "typescript", "--namespace", "/shops/<slug:shop>", "--output", str(path)),
        stdout=io.StringIO(),
    )
    assert shown in path.read_text()
    (tmp_path / "usage.ts").write_text(usage)
    assert complaints(tmp_path, "events.ts", "usage.ts") == ""


@pytest.mark.parametrize("block", of("python", note="client"))
def test_python_client_snippet_runs(block: Block, demo: str) -> None:
    code = block.code.replace("http://127.0.0.1:8000", demo)
    assert code != block.code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "'ok': True" in done.stdout


def test_five_minute_path_works_to_the_letter(tmp_path: Path) -> None:
    """README: a fresh project, the files as they are printed, two clients, and the view."""
    follower = five_minutes(tmp_path)
    checked = follower.run("python", "manage.py", "check", "--fail-level", "WARNING")
    assert "no issues" in checked
    follower.run("python", "manage.py", "migrate", "--verbosity", "0")
    port = free_port()
    server = Process(
        "runserver",
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
        tmp_path,
        port=port,
        environment={"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(ROOT)},
        cwd=follower.folder,
    )
    server.start()
    server.wait()
    try:
        asyncio.run(_try_hello(f"http://127.0.0.1:{port}"))
    finally:
        server.stop()
    assert "Traceback" not in server.news()


PRIVATE_LISTS = """
SECRET_KEY = "of a test"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "realtime",
    "shop",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["realtime.E001", "realtime.W001", "realtime.W002"]
"""


def test_private_lists_work_to_the_letter(tmp_path: Path) -> None:
    """docs/permissions.md: an app with the files as they are printed passes its own tests."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "lists.py").write_text(PRIVATE_LISTS)
    files = [b for b in BLOCKS if b.document == "docs/permissions.md" and b.note]
    assert len(files) == 3
    for block in files:
        (tmp_path / block.note.removeprefix("file: ")).write_text(block.code)
    assert "OK" in _run(tmp_path, "-m", "django", "test", "--settings", "lists")


async def _try_hello(url: str) -> None:
    import aiohttp

    async with (
        socketio.AsyncSimpleClient() as one,
        socketio.AsyncSimpleClient() as two,
        aiohttp.ClientSession() as http,
    ):
        await one.connect(url)
        await two.connect(url, transports=["websocket"])
        assert await one.call("message", "hi") == {"delivered": True}
        assert await two.receive(timeout=30) == ["message", "AnonymousUser", "hi"]
        assert await two.call("rename", "Ada") == {"renamed": False}
        async with http.get(f"{url}/") as page:
            script = re.search(r'<script src="([^"]+)">', await page.text())
        assert script is not None
        async with http.get(f"{url}{script[1]}") as found:
            assert "Socket.IO" in await found.text()
        async with http.get(f"{url}/publish/?title=Extra") as published:
            assert published.status == 200
        for client in (one, two):
            assert await client.receive(timeout=30) == ["news", {"title": "Extra"}]


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), target


def test_settings_are_documented_with_their_defaults() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", text, re.MULTILINE))
    assert {key: ast.literal_eval(value) for key, value in rows.items()} == dict(conf.DEFAULTS)


def test_checks_are_documented() -> None:
    text = (ROOT / "docs" / "checks.md").read_text()
    modules = [site, settings, layers, logins, deployment, durable, installed, changes]
    modules += [authentication, jwt, postgres, recovery, redis, rest_framework]
    source = "".join(inspect.getsource(module) for module in modules)
    assert set(re.findall(r"realtime\.[EWI]\d{3}", source)) == set(
        re.findall(r"realtime\.[EWI]\d{3}", text)
    )


def test_signals_are_documented() -> None:
    text = (ROOT / "docs" / "signals.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    named = set(re.findall(r"\w+", " ".join(rows)))
    assert named == {name for name, value in vars(signals).items() if hasattr(value, "receivers")}
