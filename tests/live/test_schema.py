"""What annotations of handlers say: to the stock client at run time, and to TypeScript before."""

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.live.conftest import Logs
from tests.live.farm import Farm
from tests.live.servers import Server, manage
from tests.live.test_javascript import MSGPACK_BUILD, run
from tests.tsc import MODULES, complaints

pytestmark = pytest.mark.node

USAGE = Path(__file__).parent / "ts" / "usage.ts"
ROUTE = "/orders/<slug:shop>"


def test_stock_client_is_told_what_is_wrong_with_its_arguments(
    server: Server, transports: list[str], logs: Logs
) -> None:
    run("orders", server, TRANSPORTS=",".join(transports))
    logs.expect("the form has a bug")


def test_arguments_in_msgpack_are_of_the_same_kinds(farm: Farm, logs: Logs) -> None:
    for server in farm.shared("daphne", "uvicorn", LIVE_PARSER="msgpack"):
        run("orders", server, TRANSPORTS="websocket", BUILD=MSGPACK_BUILD)
    logs.expect("the form has a bug")


def schema(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return manage("realtime", "schema", *arguments, environment={})


def test_typescript_compiles_against_the_stock_client(tmp_path: Path) -> None:
    done = schema("--format", "typescript", "--output", str(tmp_path / "events.ts"))
    assert done.returncode == 0, done.stderr
    shutil.copy(USAGE, tmp_path)
    assert complaints(tmp_path, "events.ts", "usage.ts") == ""


def test_asyncapi_document_is_valid_by_the_official_schema() -> None:
    done = schema()
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    path = MODULES / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    validator = jsonschema.Draft7Validator(json.loads(path.read_text()))
    assert [error.message for error in validator.iter_errors(document)] == []
    assert "orders_shop" in document["channels"]


def test_files_are_the_same_in_every_process_and_a_stale_one_is_noticed(tmp_path: Path) -> None:
    for form in ("asyncapi", "typescript"):
        path = tmp_path / "made" / form
        arguments = ["--format", form, "--output", str(path), "--namespace", ROUTE]
        assert schema(*arguments).returncode == 0
        assert schema(*arguments, "--check").returncode == 0
        path.write_text(path.read_text().replace("wanted", "wished"))
        stale = schema(*arguments, "--check")
        assert stale.returncode == 1
        assert f"{path} is stale" in stale.stderr
