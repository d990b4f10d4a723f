"""The files of docs/deploy as data: names that fit each other, and times that fit the drain's."""

import json
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime.conf import DEFAULTS
from tests.documents import ROOT
from tests.live.deployment import FILES, link_python, unit, unit_text

UNITS = sorted(path.name.removesuffix("@.service") for path in FILES.glob("*.service"))
LIVE, READY = "/socket.io/health/live", "/socket.io/health/ready"
#: What production.py can't do without.
REQUIRED = set(re.findall(r'environ\["([A-Z_]+)"\]', (FILES / "production.py").read_text()))


def text_of(name: str) -> str:
    return (FILES / name).read_text()


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text_of("compose.yaml"))["services"]
    return found


@pytest.fixture
def kinds() -> dict[str, Any]:
    """What is in kubernetes.yaml, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(text_of("kubernetes.yaml"))}


@pytest.fixture
def container(kinds: dict[str, Any]) -> dict[str, Any]:
    [found] = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def drain_takes(command: str, *, delay: float = 0, timeout: float | None = None) -> float:
    """The longest that a process may take from SIGTERM to its end."""
    graceful = re.search(r"--timeout-graceful-shutdown[\", ]+(\d+)", command)
    drained: float = DEFAULTS["DRAIN_TIMEOUT"] if timeout is None else timeout
    return delay + drained + 1 + (int(graceful[1]) if graceful else 0)


def environment_file() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", text_of("mysite.env"), re.MULTILINE))


def docker(instruction: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile."""
    return re.findall(rf"^{instruction} (.+)$", text_of("Dockerfile"), re.MULTILINE)


def test_every_file_is_named_by_the_page() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert [path.name for path in FILES.iterdir() if f"(deploy/{path.name})" not in page] == []


# systemd


@pytest.mark.parametrize("name", UNITS)
def test_units_give_a_process_the_time_that_its_drain_takes(name: str) -> None:
    service = unit(name)["Service"]
    assert int(service["TimeoutStopSec"]) > drain_takes(service["ExecStart"])
    assert service["KillSignal"] == "SIGTERM"
    if " --graceful-timeout " in service["ExecStart"]:  # gunicorn's and hypercorn's own
        own = int(service["ExecStart"].partition(" --graceful-timeout ")[2].split()[0])
        assert DEFAULTS["DRAIN_TIMEOUT"] < own < int(service["TimeoutStopSec"])


@pytest.mark.parametrize("name", UNITS)
def test_units_are_valid(name: str, tmp_path: Path) -> None:
    link_python(tmp_path)
    (tmp_path / f"{name}@.service").write_text(unit_text(name, tmp_path))
    assert {"Unit", "Service", "Install"} == set(unit(name).sections())
    if shutil.which("systemd-analyze"):  # it reads what it verifies, and needs no systemd to run
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / f"{name}@8001.service")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_units_share_one_sandbox() -> None:
    """What a process may not do does not depend on its web server."""
    first, *others = [text_of(f"{name}@.service").partition("LimitNOFILE=")[2] for name in UNITS]
    assert "ProtectSystem=strict" in first and others == [first] * len(others)


def test_commands_write_no_access_logs() -> None:
    """The addresses of polls have the secrets of open sessions in them."""
    without = {
        "daphne": "--access-log /dev/null",
        "uvicorn": "--no-access-log",
        # They write none unless they are told to.
        "gunicorn": "",
        "hypercorn": "",
    }
    [image] = docker("CMD")
    commands = [unit(name)["Service"]["ExecStart"] for name in UNITS]
    commands += [
        shlex.join(json.loads(image)),
        *re.findall("^web: (.+)$", text_of("Procfile"), re.M),
    ]
    for command in commands:
        program = Path(shlex.split(command)[0]).name
        assert without[program] in command
        assert command.count("access-log") == without[program].count("access-log")


# Docker


def test_dockerfile_starts_and_ends_one_process_without_a_shell() -> None:
    [command] = docker("CMD")
    program, *_ = json.loads(command)
    assert (Path(sys.prefix) / "bin" / program).exists()
    [check] = docker("HEALTHCHECK")
    python, option, code = json.loads(check.partition("CMD ")[2])
    assert (python, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert docker("EXPOSE") == ["8000"] and f":8000{LIVE}" in code


def test_entrypoint_becomes_the_process_and_gives_it_all_file_descriptors() -> None:
    [entrypoint] = docker("ENTRYPOINT")
    started = subprocess.Popen(
        [*json.loads(entrypoint), "sh", "-c", 'echo "$$ $(ulimit -Sn) $1"', "sh", "two words"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512)),
    )
    output, _ = started.communicate()
    assert output == f"{started.pid} 512 two words\n"


def test_dockerfile_copies_packages_from_a_stage_and_runs_as_nobody_special() -> None:
    stages = {line.partition(" AS ")[2] for line in docker("FROM")}
    used = {name for line in docker("COPY") for name in re.findall(r"--from=(\w+)", line)}
    assert used == stages - {""}
    [user] = docker("USER")
    assert any(line.startswith("useradd ") and line.endswith(user) for line in docker("RUN"))


def test_requirements_are_those_of_the_files() -> None:
    """What they start, and what production.py names."""
    named = text_of("requirements.txt")
    [extras] = re.findall(r"^django-realtime-socketio\[(.+)\]$", named, re.MULTILINE)
    assert {"daphne", "redis", "uvicorn"} <= set(extras.split(","))
    assert "psycopg[binary,pool]" in named
    assert "COPY requirements.txt *.whl ./" in text_of("Dockerfile")


def test_secrets_stay_out_of_images() -> None:
    assert {"**/*.env", "**/.env*"} <= set(text_of("Dockerfile.dockerignore").splitlines())


@pytest.mark.parametrize("name", ["web1", "web2", "release"])
def test_compose_gives_the_site_all_that_its_settings_need(
    services: Mapping[str, Any], name: str
) -> None:
    service = services[name]
    assert (FILES / service["env_file"]).exists()
    assert environment_file() | service["environment"].keys() >= REQUIRED


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_compose_gives_a_process_the_time_that_its_drain_takes(
    services: Mapping[str, Any], name: str
) -> None:
    [command] = docker("CMD")
    delay = float(services[name]["environment"]["DRAIN_DELAY"])
    seconds = int(services[name]["stop_grace_period"].removesuffix("s"))
    assert seconds > drain_takes(command, delay=delay)
    # Caddy's interval and timeout: it knows before the first client is refused.
    times = re.findall(r"^\s+health_(?:interval|timeout) (\d+)s$", text_of("Caddyfile"), re.M)
    assert len(times) == 2 and delay > sum(map(int, times))


def test_compose_builds_an_image_once_for_all_who_use_it(services: Mapping[str, Any]) -> None:
    """Docker builds services side by side, and refuses the second image of one name."""
    built = [service["image"] for service in services.values() if "build" in service]
    assert built == ["mysite"]
    others = [one for one in services.values() if one["image"] in built and "build" not in one]
    assert len(others) == 2
    assert {one.get("pull_policy") for one in others} == {"never"}


def test_compose_does_not_take_the_server_that_creates_the_database_for_the_database(
    services: Mapping[str, Any],
) -> None:
    """It listens on its Unix socket only, so it must be asked for over TCP."""
    [_, command] = services["postgres"]["healthcheck"]["test"]
    assert command.startswith("pg_isready --host=127.0.0.1 ")


def test_compose_calls_processes_by_the_names_of_their_services(
    services: Mapping[str, Any],
) -> None:
    names = {name: one.get("hostname") for name, one in services.items() if name.startswith("web")}
    assert names == {"web1": "web1", "web2": "web2"}


def test_compose_names_only_what_it_has(services: Mapping[str, Any]) -> None:
    volumes = yaml.safe_load(text_of("compose.yaml"))["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", [])) <= services.keys()
        for source, _, _ in (mount.partition(":") for mount in service.get("volumes", [])):
            assert source in volumes or (FILES / source).exists()
    proxied = services["proxy"]["environment"]["PROCESSES"].split()
    assert proxied == [f"{name}:8000" for name in services if name.startswith("web")]
    named = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text_of("compose.yaml")))
    assert named <= environment_file()


def test_proxy_variables_are_those_that_compose_sets(services: Mapping[str, Any]) -> None:
    wanted = set(re.findall(r"\{\$([A-Z_]+):", text_of("Caddyfile")))
    assert wanted == services["proxy"]["environment"].keys()


# Kubernetes


def test_pod_has_the_time_that_its_drain_takes(
    kinds: Mapping[str, Any], container: Mapping[str, Any]
) -> None:
    [command] = docker("CMD")
    before = container["lifecycle"]["preStop"]["exec"]["command"]
    seconds = kinds["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert before[0] == "sleep" and seconds > drain_takes(command, delay=float(before[1]))


def test_probes_ask_for_life_and_readiness_each_for_its_own_end(
    container: Mapping[str, Any],
) -> None:
    paths = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert paths == {"startupProbe": LIVE, "livenessProbe": LIVE, "readinessProbe": READY}
    [port] = container["ports"]
    assert docker("EXPOSE") == [str(port["containerPort"])]
    assert {container[name]["httpGet"]["port"] for name in paths} == {port["name"]}


def test_manifest_speaks_of_the_same_pods_and_user(
    kinds: Mapping[str, Any], container: Mapping[str, Any]
) -> None:
    spec = kinds["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels == kinds["Service"]["spec"]["selector"]
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    user = container["securityContext"]["runAsUser"]
    assert any(f"--uid {user} " in line for line in docker("RUN"))


# Heroku and its like


def test_procfile_ends_in_the_time_that_the_platform_gives() -> None:
    lines = dict(re.findall(r"^(\w+): (.+)$", text_of("Procfile"), re.MULTILINE))
    assert lines.keys() == {"release", "web"}
    assert (Path(sys.prefix) / "bin" / shlex.split(lines["web"])[0]).exists()
    [timeout] = re.findall(r"DRAIN_TIMEOUT=(\d+)", text_of("Procfile"))
    assert drain_takes(lines["web"], timeout=float(timeout)) < 30


# nginx, HAProxy and Caddy


@pytest.mark.parametrize("name", ["nginx.conf", "haproxy.cfg"])
def test_silent_connections_are_cut_later_than_a_ping_is_due(name: str) -> None:
    timeouts = r"^\s*(?:proxy_read_timeout|timeout (?:client|server|tunnel)) (\d+)s"
    times = re.findall(timeouts, text_of(name), re.MULTILINE)
    assert times and min(map(int, times)) > DEFAULTS["PING_INTERVAL"] + DEFAULTS["PING_TIMEOUT"]


def test_nginx_never_avoids_a_process_of_its_own_machine() -> None:
    """If all were avoided for ten seconds after a restart, a rolling deploy would end in 502."""
    servers = re.findall(r"^\s*server (127\.0\.0\.1:\d+.*);", text_of("nginx.conf"), re.M)
    assert servers and all(server.endswith(" max_fails=0") for server in servers)


def test_nginx_listens_on_both_kinds_of_address_with_and_without_tls() -> None:
    """Debian's own site answers on each address that no other `server` has."""
    listens = re.findall(r"^[ #]*listen (.+);$", text_of("nginx.conf"), re.M)
    assert listens == 2 * ["80", "[::]:80"] + ["443 ssl", "[::]:443 ssl"]
