"""Files that other programs read, against those programs' schemas; `make schemas` installs them.

For what no test can run: Docker, Kubernetes and GitHub.
"""

import subprocess
import sys
from pathlib import Path

from bootstrap import ROOT

DEPLOY, GITHUB = ROOT / "docs" / "deploy", ROOT / ".github"
#: The files for each schema that comes with check-jsonschema.
FILES = {
    "compose-spec": [DEPLOY / "compose.yaml"],
    "github-workflows": sorted((GITHUB / "workflows").glob("*.yml")),
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "idea")],
}


def commands() -> list[list[str | Path]]:
    program = Path(sys.prefix) / "bin" / "check-jsonschema"
    checks: list[list[str | Path]] = [
        [program, "--builtin-schema", f"vendor.{schema}", *files] for schema, files in FILES.items()
    ]
    # Strict: a misspelt field is refused, which Kubernetes itself would ignore.
    kubernetes = Path(sys.prefix) / "bin" / "kubernetes-validate"
    return [*checks, [kubernetes, "--strict", DEPLOY / "kubernetes.yaml"]]


if __name__ == "__main__":
    sys.exit(max(subprocess.call(command) for command in commands()))
