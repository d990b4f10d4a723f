"""Builds the wheel and the sdist and checks that each holds all of realtime: wheel.py FOLDER.

The stock client is not in git: built before `make setup`, a wheel would be without it. Whoever
builds the same commit gets the same bytes.
"""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

from bootstrap import LICENCE, ROOT, SCRIPTS, STATIC


def wanted() -> set[str]:
    files = {path for path in (ROOT / "realtime").rglob("*") if path.is_file()}
    client = {STATIC / name for name in [*SCRIPTS, LICENCE]}
    names = {path.relative_to(ROOT).as_posix() for path in files | client}
    # What Python and the tools leave beside the code: compiled files, hidden folders.
    return {name for name in names if not name.endswith(".pyc") and "/." not in name}


def dated() -> dict[str, str]:
    """The time that all packed files get: the commit's, or hatchling's own constant without git."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return {}
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"SOURCE_DATE_EPOCH": commit}


def build(folder: Path) -> tuple[Path, Path]:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder],
        cwd=ROOT,
        env=os.environ | dated(),
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def missing(wheel: Path, sdist: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return sorted(wanted() - (in_wheel & in_sdist))


def unpublishable() -> str:
    """What has to be set before these files may be published, or nothing."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    nobodys = [name for name, address in urls.items() if "/OWNER/" in address]
    if not nobodys:
        return ""
    return (
        f"Not to be published: {', '.join(nobodys)} in [project.urls] of pyproject.toml name no "
        'repository yet. Put yours in place of OWNER; CONTRIBUTING.md, "Releases", has the rest.'
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    for old in [*target.glob("*.whl"), *target.glob("*.tar.gz")]:
        old.unlink()
    built = build(target)
    if lost := missing(*built):
        sys.exit(f"not in both {built[0].name} and {built[1].name}: {', '.join(lost)}")
    for path in built:
        print(path)
    if warning := unpublishable():
        print(warning, file=sys.stderr)
