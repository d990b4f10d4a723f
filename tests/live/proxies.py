"""HAProxy and Caddy in front of servers, with the configurations of the docs."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.live.deployment import FILES
from tests.live.servers import Process
from tests.ports import free_port

#: What is not the docs' part: nothing of this machine's own Caddy, and nobody else's ears.
AROUND_CADDY = """
{{
    admin off
    default_bind 127.0.0.1
}}
import "{site}"
"""


def _program(name: str) -> str:
    # Debian keeps HAProxy where only root looks.
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    assert found, f"{name} is not installed: make test installs it, WITHOUT={name} omits"
    return found


class HAProxy(Process):
    def __init__(self, folder: Path, servers: Sequence[Process], site: Path) -> None:
        port = free_port()
        configuration = folder / "haproxy.cfg"
        configuration.write_text(_haproxy_text(port, servers))
        command = [_program("haproxy"), "-db", "-f", str(configuration)]
        super().__init__("haproxy", command, folder, port=port)
        self.url = f"http://127.0.0.1:{port}"


def _haproxy_text(port: int, servers: Sequence[Process]) -> str:
    """The docs' configuration, with our addresses."""
    text = (FILES / "haproxy.cfg").read_text()
    replaced = []
    for name in ("process", "any"):
        lines = re.findall(rf"^ +server {name}\d 127\.0\.0\.1:\d+(.*)\n", text, re.MULTILINE)
        documented = "".join(re.findall(rf"^ +server {name}\d .+\n", text, re.MULTILINE))
        [options] = set(lines)
        ours = [f"    server {name}{one.port} 127.0.0.1:{one.port}{options}\n" for one in servers]
        replaced.append((documented, "".join(ours)))
    for old, new in [
        ("bind :80\n", f"bind 127.0.0.1:{port}\n"),
        # So many need more descriptors than a test may have.
        ("maxconn 50000", "maxconn 2000"),
        ("log /dev/log local0", "log stdout format raw local0"),
        *replaced,
    ]:
        assert old and text.count(old) == 1, f"{old!r} is not in the docs' haproxy.cfg"
        text = text.replace(old, new)
    return text


class Caddy(Process):
    """Told of this machine by the variables of the docs' file, as compose.yaml tells it."""

    def __init__(self, folder: Path, servers: Sequence[Process], site: Path) -> None:
        port = free_port()
        configuration = folder / "Caddyfile"
        configuration.write_text(AROUND_CADDY.format(site=FILES / "Caddyfile"))
        command = [_program("caddy"), "run", "--adapter", "caddyfile"]
        super().__init__(
            "caddy",
            [*command, "--config", str(configuration)],
            folder,
            port=port,
            environment={
                "SITE_ADDRESS": f"http://127.0.0.1:{port}",
                "STATIC_ROOT": str(site / "static"),
                "PROCESSES": " ".join(f"127.0.0.1:{one.port}" for one in servers),
                # Where it keeps certificates and what it last ran.
                "XDG_CONFIG_HOME": str(folder),
                "XDG_DATA_HOME": str(folder),
            },
        )
        self.url = f"http://127.0.0.1:{port}"
