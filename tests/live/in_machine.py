"""docs/deploy.md on a new Debian machine with systemd, by its own commands: `make machine`.

For root, with debootstrap and systemd-container. The machine is a folder that systemd-nspawn boots,
with a network of its own in which there is nothing else; packages are fetched before it boots.
"""

import asyncio
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.live.compose import build_wheel, context, stay_connected
from tests.live.deployment import FILES
from tests.live.servers import ROOT, eventually

PAGE = (ROOT / "docs" / "deploy.md").read_text()
PASSWORD = "of-the-machine"
MINIMAL = "systemd,systemd-sysv,dbus,ca-certificates,openssl"
#: Without systemd-machined, which only a machine that runs systemd itself has.
NSPAWN = ["systemd-nspawn", "--register=no", "--keep-unit", "--directory"]
PATHS = {
    "mysite.env": "etc/mysite.env",
    "nginx.conf": "etc/nginx/conf.d/mysite.conf",
    "redis.conf": "etc/redis/mysite.conf",
    "production.py": "srv/mysite/mysite/production.py",
    **{one.name: f"etc/systemd/system/{one.name}" for one in FILES.glob("*.service")},
}
CODE = [".", "hello", ".venv"]
CERTIFICATE = [
    "mkdir -p /etc/ssl/mysite && cd /etc/ssl/mysite",
    "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    " -keyout privkey.pem -out fullchain.pem 2>/dev/null",
]


def commands(first: str) -> list[str]:
    """The lines of the page's block that begins so."""
    block = re.search(rf"^ {{4}}{re.escape(first)}.*\n(?:(?: {{4}}.*)?\n)*", PAGE, re.MULTILINE)
    assert block, f"docs/deploy.md has no block that begins with {first!r}"
    return [line[4:] for line in block[0].splitlines() if line]


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def prepare(self, *lines: str) -> None:
        """Run before it boots, with this machine's network."""
        options = ["--quiet", "--pipe", "--setenv=DEBIAN_FRONTEND=noninteractive"]
        _run([*NSPAWN, str(self.root), *options, "bash", "-ec", "\n".join(lines)])

    def boot(self) -> None:
        options = ["--boot", "--private-network", "--console=pipe"]
        log = (self.root.parent / "console").open("wb")
        self._nspawn = subprocess.Popen(
            [*NSPAWN, str(self.root), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        eventually(self._find, lambda: "systemd did not start")
        eventually(lambda: self._state() in {"running", "degraded"}, self._state)

    def _find(self) -> bool:
        """Its first process is the only child of nspawn, once a helper has ended."""
        assert self._nspawn is not None
        children = psutil.Process(self._nspawn.pid).children()
        [self._leader] = [one.pid for one in children if one.name() == "systemd"] or [0]
        return self._leader != 0

    def _state(self) -> str:
        asked = [*self.enter("-m", "-p"), "systemctl", "is-system-running"]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()

    def enter(self, *namespaces: str) -> list[str]:
        return ["nsenter", f"--target={self._leader}", *namespaces]

    def run(self, *lines: str, typed: str = "") -> str:
        """As root types it."""
        clean = ["env", "-i", "HOME=/root", f"PATH={os.defpath}:/usr/sbin:/sbin"]
        shell = [*self.enter("-m", "-u", "-i", "-n", "-p"), *clean, "bash", "-ec", "\n".join(lines)]
        return _run(shell, typed)

    def join(self) -> None:
        """Have this process, and the threads that it starts from now on, use its network."""
        with open(f"/proc/{self._leader}/ns/net") as network:
            assert ctypes.CDLL(None).setns(network.fileno(), 0) == 0

    def off(self) -> None:
        if self._leader:
            os.kill(self._leader, signal.SIGRTMIN + 4)  # systemd's "power off"
        if self._nspawn is not None:
            self._nspawn.wait(60)


def _run(command: list[str], typed: str = "") -> str:
    done = subprocess.run(command, input=typed, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}"
    return done.stdout


def build(machine: Machine, folder: Path) -> None:
    root = machine.root
    _run(["debootstrap", "--variant=minbase", f"--include={MINIMAL}", "bookworm", str(root)])
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc" / "ssl" / "certs")
    install, *_ = commands("apt install nginx")
    machine.prepare(install.replace("install", "install --yes --quiet"), *CERTIFICATE)
    shutil.copytree(context(folder / "code", build_wheel(folder / "dist")), root / "srv" / "mysite")
    machine.prepare(
        "python3 -m venv /srv/mysite/.venv && cd /srv/mysite",
        ".venv/bin/pip install --quiet --requirement requirements.txt",
    )
    for name, place in PATHS.items():
        text = (FILES / name).read_text().replace("example.com", "localhost")
        (root / place).write_text(text.replace("change-me", PASSWORD))
    site = root / PATHS["nginx.conf"]
    text = site.read_text().replace("    listen 80;\n    listen [::]:80;\n    #", "    #")
    site.write_text(re.sub(r"^    # (listen .*443|ssl_)", r"    \1", text, flags=re.MULTILINE))
    with (root / "etc" / "redis" / "redis.conf").open("a") as redis:
        redis.write("include /etc/redis/mysite.conf\n")


def deploy(machine: Machine) -> None:
    for line in commands("apt install nginx"):
        machine.run(line, typed=f"{PASSWORD}\n{PASSWORD}\n" if "--pwprompt" in line else "")
    prepare = commands("cd /srv/mysite && set -a && . /etc/mysite.env && set +a")
    machine.run("runuser -u mysite -- bash -e", typed="\n".join(prepare))


def check(machine: Machine, kind: str) -> None:
    """What only systemd does."""
    pid = machine.run(f"systemctl show --property MainPID --value realtime-{kind}@8001").strip()
    assert machine.run(f"stat --format %U /proc/{pid}").strip() == "mysite"
    [limit] = re.findall(r"open files +(\d+)", machine.run(f"cat /proc/{pid}/limits"))
    assert int(limit) > 1024  # systemd's default
    touch = f"nsenter -m -t {pid} setpriv --reuid=mysite --regid=mysite --clear-groups touch"
    machine.run(
        f"{touch} /tmp/x", *(f"if {touch} /srv/mysite/{at}/x; then exit 1; fi" for at in CODE)
    )


def serve(machine: Machine, kind: str) -> None:
    """With clients that stay while all processes are restarted; in the end one is killed."""
    roll = "\n".join(commands("for port in 8001")).replace("daphne", kind)
    wait = roll.replace("systemctl restart", "true")
    start, *_ = commands("systemctl enable --now realtime-daphne@8001")
    machine.run(start.replace("daphne", kind), wait)
    check(machine, kind)

    asyncio.run(stay_connected("https://localhost", lambda: print(machine.run(roll))))
    name = f"realtime-{kind}@8001"
    machine.run(f"systemctl kill --signal KILL {name} && sleep 5", wait)
    assert machine.run(f"systemctl show --property NRestarts --value {name}").strip() == "1"
    machine.run(start.replace("daphne", kind).replace("enable", "disable"))


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        machine = Machine(Path(temporary) / "root")
        try:
            build(machine, Path(temporary))
            machine.boot()
            machine.join()
            deploy(machine)
            for kind in ("daphne", "uvicorn"):
                serve(machine, kind)
            journal = machine.run("journalctl --no-pager --unit 'realtime-*'")
            told = re.findall(rf".*(?:[?&]sid=(?!\.\.\.)|{PASSWORD}).*", journal)
            assert not told, f"the journal has secrets: {told[:5]}"
            print(f"{machine.run('systemctl --version').splitlines()[0]}: docs/deploy.md works")
        finally:
            machine.off()


if __name__ == "__main__":
    if os.geteuid() != 0 or not all(map(shutil.which, ["debootstrap", "systemd-nspawn"])):
        sys.exit("This needs root, and the packages debootstrap and systemd-container")
    main()
