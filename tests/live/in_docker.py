"""docs/deploy/compose.yaml in Docker itself, by the commands of docs/deploy.md: `make compose`.

For a machine with Docker, whose ports 80 and 443 are free.
"""

import asyncio
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live.compose import build_wheel, context, stay_connected
from tests.live.servers import ROOT

COMPOSE = ["docker", "compose", "--env-file", "mysite.env"]


def documented() -> list[list[str]]:
    """The first start, and then what replaces each process by a new version."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    return [shlex.split(line) for line in re.findall(r"^ {4}(docker compose .+)$", page, re.M)]


def main() -> None:
    start, *renewal = documented()
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
            run(*renewal)

        try:
            run(start)
            asyncio.run(stay_connected("https://localhost", renew))
        except BaseException:
            run([*COMPOSE, "logs", "--no-color", "--tail", "100"])
            raise
        finally:
            run([*COMPOSE, "down", "--volumes", "--remove-orphans"])


if __name__ == "__main__":
    if subprocess.call(["docker", "info"], stdout=subprocess.DEVNULL):
        sys.exit("Docker can't be reached, see above")
    main()
