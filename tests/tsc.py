"""TypeScript's compiler, with the stock client's types."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.documents import ROOT

MODULES = ROOT / "node_modules"
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "module": "nodenext",
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "types": [],
}


def complaints(folder: Path, *files: str) -> str:
    """What `tsc --strict` has against files in the folder."""
    node = shutil.which("node")
    assert node, "Node is not installed: make setup brings it, WITHOUT=node does without"
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": files}))
    done = subprocess.run(
        [node, MODULES / "typescript" / "bin" / "tsc", "--project", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
