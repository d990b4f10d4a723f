"""nginx in front of servers, with the configuration of the docs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.live.servers import ROOT, Process, Server, free_port

SITE = ROOT / "docs" / "deploy" / "nginx.conf"
#: What Debian's own nginx.conf has around a site's, but for a user who is not root.
AROUND = """
worker_processes 2;
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 2000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Nginx(Process):
    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        # Debian keeps it where only root looks.
        places = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
        program = shutil.which("nginx", path=places)
        assert program, "nginx is not installed: make test installs it, WITHOUT=nginx omits"
        port = free_port()
        (folder / "site.conf").write_text(site(port, servers))
        configuration = folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=folder))
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        super().__init__("nginx", command, folder, port=port)
        self.url = f"http://127.0.0.1:{port}"


def site(port: int, servers: Sequence[Server]) -> str:
    """The docs' configuration, on our ports."""
    text = SITE.read_text()
    for old, new in [
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        *(
            (f"server 127.0.0.1:800{number};", f"server 127.0.0.1:{server.port};")
            for number, server in enumerate(servers, 1)
        ),
    ]:
        assert text.count(old) == 1, f"{old!r} is not in the docs' nginx.conf"
        text = text.replace(old, new)
    return text
