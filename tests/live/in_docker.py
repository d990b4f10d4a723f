"""docs/deploy/compose.yaml in Docker itself, by the commands of docs/deploy.md: `make compose`.

For a machine with Docker, whose ports 80 and 443 are free.
"""

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live.compose import build_wheel, context, stay_connected
from tests.live.servers import ROOT
from tests.live.stand_ins.images import missing_images, stand_ins

COMPOSE = ["docker", "compose", "--env-file", "mysite.env"]
SERVICES = ["web1", "web2", "proxy", "redis", "postgres"]


def documented() -> tuple[list[str], list[list[str]]]:
    """The first start, and then what replaces each process by a new version."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    lines = [shlex.split(line) for line in re.findall(r"^ {4}(docker compose .+)$", page, re.M)]
    start, renewal = lines[0], lines.index([*COMPOSE, "build"])
    return start, lines[renewal:]


def check_machine() -> None:
    """End with one line that says what to do, where Docker can't do what is asked of it."""
    if shutil.which("docker") is None:
        sys.exit("Docker is not installed: https://docs.docker.com/engine/install/")
    for command, complaint in [
        (["docker", "info"], "Docker can't be reached, see above"),
        (["docker", "compose", "version"], "Docker Compose 2 is not installed, see above"),
        (["docker", "buildx", "version"], "Docker's buildx is not installed, see above"),
    ]:
        if subprocess.call(command, stdout=subprocess.DEVNULL):
            sys.exit(complaint)


def print_versions() -> None:
    for command in (
        ["docker", "version", "--format", "Docker {{.Server.Version}}"],
        ["docker", "compose", "version"],
        ["docker", "buildx", "version"],
    ):
        subprocess.run(command, check=True)
    print("Images from Debian's packages:", ", ".join(stand_ins()) or "none", flush=True)


def main() -> None:
    check_machine()
    print_versions()
    start, renewal = documented()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = context(folder / "mysite-in-docker", build_wheel(folder / "dist"))
        variables = source / "mysite.env"
        variables.write_text(variables.read_text().replace("=example.com", "=localhost"))

        def run(*commands: list[str]) -> None:
            for command in commands:
                print(shlex.join(command), flush=True)
                subprocess.run(command, cwd=source, check=True)

        def renew() -> None:
            # Without a change there is no new image, and no process is replaced.
            (source / "hello" / "news.txt").touch()
            before = containers(source)
            run(*renewal)
            after = containers(source)
            replaced = [name for name in SERVICES if before[name] != after[name]]
            assert replaced == ["web1", "web2"], f"replaced: {replaced}"
            run(start)
            assert containers(source) == after, "`up` replaced something, without a change"

        try:
            run(start)
            asyncio.run(stay_connected("https://localhost", renew))
        except BaseException:
            subprocess.run([*COMPOSE, "logs", "--no-color", "--tail", "100"], cwd=source)
            raise
        finally:
            run([*COMPOSE, "down", "--volumes", "--remove-orphans"])
    print("1 site, 2 versions of it, clients on each transport: all is well")


def containers(source: Path) -> dict[str, str]:
    """The container of each service."""
    command = [*COMPOSE, "ps", "--quiet"]
    return {
        name: subprocess.check_output([*command, name], cwd=source, text=True) for name in SERVICES
    }


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        complaint = f"This failed, see above: {shlex.join(failed.cmd)}"
        if missing := missing_images():
            complaint += f"\nDocker does not have {', '.join(missing)}. Where it can't pull them, "
            complaint += "`make stand-ins` builds images of the same names."
        sys.exit(complaint)
