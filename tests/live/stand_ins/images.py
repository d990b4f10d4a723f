"""Stand-ins for the published images that docs/deploy uses: `make stand-ins`.

For a machine that reaches no image registry, but Debian's packages. They have the names of the
published images and do what compose.yaml and the Dockerfile count on. An image that Docker already
has under such a name stays as it is. `docker image rm` removes them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live.servers import ROOT

HERE = Path(__file__).parent
FILES = ROOT / "docs" / "deploy"
BASE = "stand-in-debian:trixie"
LABEL = "stand-in"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
#: As in Debian's published images: no layer keeps the packages that it installed.
APT = """
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Acquire::Languages "none";
"""


def base_images() -> list[str]:
    """What the files name, except the image that they build."""
    compose, dockerfile = ((FILES / name).read_text() for name in ("compose.yaml", "Dockerfile"))
    names = re.findall(r"^ +image: (\S+)$", compose, re.MULTILINE)
    names += re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    return sorted(set(names) - {"mysite"})


def missing_images() -> list[str]:
    return [name for name in base_images() if _inspect(name, "{{.Id}}") is None]


def stand_ins() -> list[str]:
    """Those of the base images that are stand-ins on this machine."""
    template = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    return [name for name in base_images() if _inspect(name, template)]


def _inspect(image: str, template: str) -> str | None:
    command = ["docker", "image", "inspect", "--format", template, image]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def build_base() -> None:
    """Debian, with the certificates that this machine trusts: its package index may need them."""
    debootstrap = shutil.which("debootstrap", path="/usr/sbin:/usr/bin")
    if debootstrap is None or os.geteuid() != 0:
        sys.exit("Only root can build stand-ins, with debootstrap: apt install debootstrap")
    with tempfile.TemporaryDirectory() as temporary:
        root, archive = Path(temporary, "root"), Path(temporary, "root.tar")
        _run(debootstrap, "--variant=minbase", "--include=ca-certificates", "trixie", str(root))
        if (trusted := Path("/") / CERTIFICATES).exists():
            shutil.copy(trusted, root / CERTIFICATES)
        (root / "etc/apt/apt.conf.d/stand-in").write_text(APT)
        left_out = [f"--exclude=./var/{each}/*" for each in ("cache/apt", "lib/apt/lists")]
        _run("tar", "-C", str(root), *left_out, "-cf", str(archive), ".")
        _run("docker", "import", "--change", "ENV LANG=C.UTF-8", str(archive), BASE)


def build(image: str) -> None:
    name = image.partition(":")[0]
    options = ["--quiet", "--tag", image, "--label", f"{LABEL}=built from Debian's packages"]
    options += ["--file", str(HERE / f"{name}.Dockerfile"), "--build-arg", f"BASE={BASE}"]
    _run("docker", "build", *options, str(HERE))


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{command[0]} failed, see above")


def main() -> None:
    missing = missing_images()
    if missing and _inspect(BASE, "{{.Id}}") is None:
        print("Installing Debian, some minutes", flush=True)
        build_base()
    for image in missing:
        print(f"Building {image}", flush=True)
        build(image)
    print("Stand-ins:", ", ".join(stand_ins()) or "none: Docker had all images already")


if __name__ == "__main__":
    main()
