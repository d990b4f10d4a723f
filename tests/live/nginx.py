"""nginx in front of servers, with the configuration of the docs."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.live.servers import ROOT, Process
from tests.ports import free_port

SITE = ROOT / "docs" / "deploy" / "nginx.conf"
#: What Debian's own nginx.conf has around a site's, but for a user who is not root.
AROUND = """
{user}
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
    """In front of processes; `site_folder` is where the site is that the docs have in /srv."""

    def __init__(
        self, folder: Path, servers: Sequence[Process], site_folder: Path | None = None
    ) -> None:
        # Debian keeps it where only root looks.
        places = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
        program = shutil.which("nginx", path=places)
        assert program, "nginx is not installed: make test installs it, WITHOUT=nginx omits"
        port = free_port()
        (folder / "site.conf").write_text(site(port, servers, site_folder or folder))
        # Else root's nginx serves as nobody, who may not use the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=folder, user=user))
        command = [program, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
        super().__init__("nginx", command, folder, port=port)
        self.url = f"http://127.0.0.1:{port}"


def site(port: int, servers: Sequence[Process], folder: Path) -> str:
    """The docs' configuration, with our addresses."""
    text = SITE.read_text()
    found = re.findall(r"^( +server 127\.0\.0\.1):\d+(.*;\n)", text, re.MULTILINE)
    documented = "".join(re.findall(r"^ +server 127\.0\.0\.1:\d+.*;\n", text, re.MULTILINE))
    [(start, options)] = set(found)
    ours = [f"{start}:{server.port}{options}" for server in servers]
    for old, new in [
        ("\n    listen 80;\n    listen [::]:80;\n", f"\n    listen 127.0.0.1:{port};\n"),
        (documented, "".join(ours)),
        ("/srv/mysite/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
    ]:
        assert old and text.count(old) == 1, f"{old!r} is not in the docs' nginx.conf"
        text = text.replace(old, new)
    return text
