"""Says why this checkout can't be published under the tag of a release, or nothing.

Run by .github/workflows/release.yml, with the variables that GitHub sets; standard library only.
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def faults(
    project: Mapping[str, Any], changelog: str, environment: Mapping[str, str]
) -> Iterator[str]:
    """Each in one line, for the person who pushed the tag."""
    tag, version = environment["GITHUB_REF_NAME"], project["version"]
    if tag != f"v{version}":
        yield f"the tag is {tag}, and pyproject.toml says version {version}"
    newest = re.search(r"^## (.+)$", changelog, re.MULTILINE)
    if newest is None or newest[1].split()[0] != version:
        yield f"CHANGELOG.md does not begin with {version}"
    elif "unreleased" in newest[1]:
        yield f"CHANGELOG.md calls {version} unreleased: put the date there"
    repository = f"{environment['GITHUB_SERVER_URL']}/{environment['GITHUB_REPOSITORY']}"
    for name, address in project["urls"].items():
        if address != repository and not address.startswith(f"{repository}/"):
            yield f"{name} in [project.urls] is {address}, and this is {repository}"


if __name__ == "__main__":
    found = faults(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"],
        (ROOT / "CHANGELOG.md").read_text(),
        os.environ,
    )
    sys.exit("\n".join(found) or None)
